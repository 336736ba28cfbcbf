import type { ContainerNetworks } from '../../runtime-agent/networks/container-networks.ts';
import { hostsFile } from '../../runtime-agent/networks/plan/etc-files.ts';

/** Networks of an agent whose containers have loopback only, whatever they request: the host's network is untouched. */
export function loopbackNetworks(): ContainerNetworks {
  const files = { hosts: hostsFile([]), resolvConf: 'nameserver 127.0.0.1\n' };
  const refuse = () => Promise.reject(new Error('not part of this test'));
  return {
    admit: ({ networks }) => networks,
    open: async () => ({
      namespace: undefined,
      active: { endpoints: [], ports: [] },
      files,
      ready: Promise.resolve(),
      release: () => undefined,
    }),
    filesWithout: () => files,
    adopt: () => undefined,
    restore: async () => undefined,
    join: refuse,
    leave: refuse,
    nameOf: (ref) => ref,
    checkJoin: (ref) => ref,
    rename: () => undefined,
    refresh: () => undefined,
    close: async () => undefined,
  };
}
