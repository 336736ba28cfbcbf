import { refuseTooManyValues } from '../json.ts';
import { DistributionError, refusal } from './errors.ts';
import type { FoundRepository } from './registry-queries.ts';
import { readWhole, sendExpecting } from './registry-request.ts';
import type { RegistrySession } from './registry-session.ts';
import { INTERACTIVE_RETRIES, withRetries } from './retry.ts';

export interface SearchRequest {
  /** For messages. */
  readonly registry: string;
  readonly term: string;
  readonly limit: number;
}

/** Maximum bytes of an answer: a hundred results with descriptions. */
const MAX_ANSWER = 4 << 20;

/** Splits `[HOST/]TERM`; the registry defaults to docker.io, as in docker. */
export function splitSearchTerm(text: string): { readonly registry: string; readonly term: string } {
  const slash = text.indexOf('/');
  const host = text.slice(0, Math.max(slash, 0));
  const isHost = host === 'localhost' || /[.:]/.test(host);
  const hub = !isHost || /^(index\.)?docker\.io$/.test(host);
  const term = isHost ? text.slice(slash + 1) : text;
  if (isHost && !/^[A-Za-z0-9.:[\]-]+$/.test(host)) {
    throw new DistributionError(
      'bad-request',
      `invalid reference format: "${host.slice(0, 200)}" is no registry`,
    );
  }
  return { registry: hub ? 'docker.io' : host, term };
}

/** Searches a registry for repositories (Docker registry API, version 1, "Search"). Throws DistributionError. */
export async function searchRegistry(
  session: RegistrySession,
  { registry, term, limit }: SearchRequest,
  signal: AbortSignal,
): Promise<readonly FoundRepository[]> {
  const request = {
    method: 'GET',
    target: `/v1/search?${new URLSearchParams({ q: term, n: `${limit}` })}`,
  } as const;
  const text = await withRetries(INTERACTIVE_RETRIES, signal, async () => {
    const response = await sendExpecting(
      session,
      request,
      {
        statuses: [200],
        refusal: ({ status, url }, detail) =>
          status === 404
            ? new DistributionError(
                'not-found',
                `${registry} has no search: use the names of its repositories`,
              )
            : refusal(status, detail, { method: 'GET', url, name: registry, reference: registry }),
      },
      signal,
    );
    return (await readWhole(response, MAX_ANSWER, signal))?.toString('utf8') ?? '';
  });
  return await readResults(text, registry);
}

async function readResults(text: string, registry: string): Promise<readonly FoundRepository[]> {
  const broken = () =>
    new DistributionError('registry', `${registry} answered a search with an invalid list`);
  let answer: { readonly results?: unknown };
  try {
    await refuseTooManyValues(Buffer.from(text), 'it');
    answer = JSON.parse(text);
  } catch {
    throw broken();
  }
  if (!Array.isArray(answer?.results)) throw broken();
  return answer.results.map((result: Readonly<Record<string, unknown>> | null) => {
    if (typeof result?.name !== 'string') throw broken();
    const { name, description, star_count: stars, is_official: official } = result;
    return {
      name,
      description: typeof description === 'string' ? description : '',
      stars: typeof stars === 'number' ? stars : 0,
      official: official === true,
    };
  });
}
