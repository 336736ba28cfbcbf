import { isLoopback } from '../../../lib/http/addresses.ts';
/** Where a container finds the resolver that knows other containers' names, as in Docker. */
export const RESOLVER_ADDRESS = '127.0.0.11';

/** What resolv.conf(5) says. */
export interface ResolverSettings {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

export function parseResolvConf(text: string): ResolverSettings {
  const lines = text.split('\n').map((line) => (line.split(/[#;]/, 1)[0] ?? '').trim().split(/\s+/));
  const all = (key: string) => lines.filter(([first]) => first === key).map(([, ...rest]) => rest);
  return {
    nameservers: all('nameserver').flatMap(([server]) => (server === undefined ? [] : [server])),
    // The last line wins; `domain` is the older word for one.
    search:
      lines
        .filter(([key]) => key === 'search' || key === 'domain')
        .at(-1)
        ?.slice(1) ?? [],
    options: all('options').flat(),
  };
}

/** What a client chose by --dns, --dns-search and --dns-option; an empty list is no choice. */
export interface ResolverChoice {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/**
 * A container's /etc/resolv.conf, and the servers to which the agent's resolver passes on what it does not know. With
 * `internal` that resolver is the only server; it is too where the host's servers are on its loopback, which a container
 * does not reach.
 */
export function planResolvConf(
  host: ResolverSettings,
  choice: ResolverChoice,
  internal: boolean,
): { readonly text: string; readonly resolver: boolean; readonly upstream: readonly string[] } {
  const servers = choice.servers.length > 0 ? choice.servers : host.nameservers;
  const reachable = servers.filter((server) => choice.servers.length > 0 || !isLoopback(server));
  const resolver = internal || (reachable.length === 0 && servers.length > 0);
  const search = (choice.search.length > 0 ? choice.search : host.search).filter((domain) => domain !== '.');
  const options = choice.options.length > 0 ? choice.options : host.options;
  const ndots = internal && !options.some((option) => option.startsWith('ndots:')) ? ['ndots:0'] : [];
  const lines = [
    ...(resolver ? [RESOLVER_ADDRESS] : reachable).map((server) => `nameserver ${server}`),
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...(options.length + ndots.length > 0 ? [`options ${[...options, ...ndots].join(' ')}`] : []),
  ];
  return { text: `${lines.join('\n')}\n`, resolver, upstream: servers };
}
