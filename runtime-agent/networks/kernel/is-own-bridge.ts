import type { Link } from '../../../lib/linux/network/links.ts';
import type { BridgeSpec } from '../plan/place-container.ts';

/**
 * Whether a link is the agent's bridge: it says so, or says nothing yet, because the agent was killed before it could name
 * its owner, and has the address that only this bridge is made with.
 */
export function isOwnBridge(
  link: Pick<Link, 'alias' | 'mac'>,
  bridge: Pick<BridgeSpec, 'alias' | 'mac'>,
): boolean {
  return link.alias === bridge.alias || (link.alias === '' && link.mac === bridge.mac);
}
