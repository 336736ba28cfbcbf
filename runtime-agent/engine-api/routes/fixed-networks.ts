import type { Networks } from '../../networks/networks.ts';
import type { FixedNetworks } from '../views/network-settings.ts';

/** What containers are shown in that have no network of their own. */
export function fixedNetworks(networks: Networks): FixedNetworks {
  return { host: networks.get('host').network.id, none: networks.get('none').network.id };
}
