import { matchesWildcard } from '../../lib/pattern/wildcard.ts';
import { parseTrustedProxies } from './forwarded.ts';

/** The client's properties that decide about a redirect. */
export interface Asker {
  readonly userAgent: string;
  readonly address: string | undefined;
}

/** Decides which clients fetch blobs from the storage themselves. */
export interface RedirectRules {
  includes(asker: Asker): boolean;
}

export const NEVER: RedirectRules = Object.freeze({ includes: () => false });

interface Rule {
  readonly excludes: boolean;
  readonly matches: (asker: Asker) => boolean;
}

/**
 * Parses `never`, `always`, or rules such as `network:10.0.0.0/8` and `agent:containerd/*`; `!` negates a rule:
 * `!agent:skopeo/*`. A client is redirected when a rule without `!` matches, or there is none, and no rule with `!`
 * matches. Throws Error whose message quotes the invalid text.
 */
export function parseRedirectRules(texts: readonly string[]): RedirectRules {
  const [only] = texts;
  if (only === undefined || (texts.length === 1 && only === 'never')) return NEVER;
  if (texts.length === 1 && only === 'always') return Object.freeze({ includes: () => true });
  const rules = texts.map(parseRule);
  const wanted = rules.filter(({ excludes }) => !excludes);
  const unwanted = rules.filter(({ excludes }) => excludes);
  return Object.freeze({
    includes: (asker: Asker) =>
      (wanted.length === 0 || wanted.some(({ matches }) => matches(asker))) &&
      !unwanted.some(({ matches }) => matches(asker)),
  });
}

function parseRule(text: string): Rule {
  const [, not, kind, value = ''] = /^(!?)(agent|network):(.+)$/.exec(text) ?? [];
  if (kind === undefined) {
    throw new Error(
      `"${text}" is not a redirect rule: write never, always, or rules such as network:10.0.0.0/8 and !agent:skopeo/*`,
    );
  }
  const excludes = not === '!';
  if (kind === 'network') {
    const network = parseTrustedProxies([value]);
    return { excludes, matches: ({ address }) => network.includes(address) };
  }
  const pattern = value.toLowerCase();
  return { excludes, matches: ({ userAgent }) => matchesWildcard(pattern, userAgent.toLowerCase()) };
}
