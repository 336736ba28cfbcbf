import type { ForwardingSpec } from '../kernel/network-jobs.ts';
import type { Network } from '../network.ts';

/** Plans forwarding for these networks, and its end for networks that are only in `before`. */
export function planForwarding(networks: readonly Network[], before: readonly Network[]): ForwardingSpec {
  const names = networks.map(({ bridge }) => bridge);
  return {
    bridges: {
      4: names,
      6: networks.filter(({ enableIpv6 }) => enableIpv6).map(({ bridge }) => bridge),
    },
    gone: before.map(({ bridge }) => bridge).filter((bridge) => !names.includes(bridge)),
  };
}
