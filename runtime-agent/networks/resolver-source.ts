import { planFor } from './container-files.ts';
import type { ResolverSource } from './dns/resolver.ts';
import type { NetworkContext } from './network-context.ts';
import { namesFor, type Sandbox } from './sandbox.ts';

/** What the resolver of a container answers with, at each moment. */
export function resolverSource(context: NetworkContext, sandbox: Sandbox): ResolverSource {
  const isNamed = (network: string) => context.store.byId(network)?.predefined === false;
  return {
    addressesOf: (name) => namesFor(sandbox, context.sandboxes.values(), isNamed).addressesOf(name),
    nameOf: (address) => namesFor(sandbox, context.sandboxes.values(), isNamed).nameOf(address),
    upstream: () => {
      const hasWayOut = sandbox.endpoints.some(({ gateway4, gateway6 }) => gateway4 + gateway6 !== '');
      return hasWayOut ? planFor(sandbox.container, context.resolvers.settings(), true).upstream : [];
    },
  };
}
