import type { Logger } from 'pino';
import type { CgroupMoves } from '../../lib/linux/cgroups/cgroup-moves.ts';
import type { HostMounts } from '../../lib/linux/mount/host-mounts.ts';
import type { EventBus } from '../events/event-bus.ts';
import type { Images } from '../images/images.ts';
import type { ContainerNetworks } from '../networks/container-networks.ts';
import type { OciHost } from '../oci-runner/oci-host.ts';
import type { SharedPaths } from '../oci-runner/run-paths.ts';
import type { RuntimeCommands } from '../oci-runner/runtime-commands.ts';
import type { Snapshotter } from '../snapshots/snapshotter.ts';
import type { CopyUp } from '../volumes/copy-up.ts';
import type { Volumes } from '../volumes/volume.ts';
import type { VolumeMounts } from '../volumes/volume-mounts.ts';
import type { AttachHub } from './attach/attach-hub.ts';
import type { ContainerIndex } from './container-index.ts';
import type { ContainerTable } from './container-table.ts';

/** The services that every step of a container's life uses. */
export interface ContainerContext {
  readonly images: Images;
  readonly snapshotter: Snapshotter;
  readonly volumes: Volumes;
  readonly volumeMounts: VolumeMounts;
  readonly copyUp: CopyUp;
  readonly networks: ContainerNetworks;
  readonly events: EventBus;
  readonly log: Logger;
  readonly host: OciHost;
  readonly commands: RuntimeCommands;
  readonly table: ContainerTable;
  readonly index: ContainerIndex;
  readonly hub: AttachHub;
  readonly paths: SharedPaths;
  /** Absolute path of the agent's data folder. */
  readonly dataFolder: string;
  readonly hostMounts: HostMounts;
  readonly moves: CgroupMoves;
  readonly bootId: string;
  /** Aborted when the agent stops; no container is restarted after that. */
  readonly stopping: AbortSignal;
}
