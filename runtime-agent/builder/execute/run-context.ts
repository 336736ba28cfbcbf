import type { Logger } from 'pino';
import type { ContainerConfig } from '../../containers/container-info.ts';
import type { HostConfig } from '../../containers/host-config.ts';
import type { ContainerNetworks } from '../../networks/container-networks.ts';
import type { OciHost } from '../../oci-runner/oci-host.ts';
import type { SharedPaths } from '../../oci-runner/run-paths.ts';
import type { RuntimeCommands } from '../../oci-runner/runtime-commands.ts';
import type { TreeTars } from '../../snapshots/diff/tree-tar.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import type { RootfsOverlays } from '../../snapshots/rootfs-overlays.ts';
import type { StubLayer } from './stub-layer.ts';

/** Dependencies of RUN steps. */
export interface RunContext {
  readonly layerStore: LayerStore;
  readonly overlays: RootfsOverlays;
  readonly tars: TreeTars;
  readonly networks: ContainerNetworks;
  readonly host: OciHost;
  readonly commands: RuntimeCommands;
  /**
   * The folders of steps are beside those of containers, so recovery removes both after a crash. The runtime's state is
   * in memory.
   */
  readonly paths: SharedPaths;
  /** A folder in memory for configurations of steps, which hold secrets. */
  readonly bundles: string;
  /** Defaults of `docker create`. */
  readonly defaults: { readonly config: ContainerConfig; readonly hostConfig: HostConfig };
  readonly stub: StubLayer;
  readonly log: Logger;
}
