import { readAtMost } from '../streams/read-at-most.ts';

type FetchOptions = { readonly [Name in keyof RequestInit]: RequestInit[Name] | undefined };

/**
 * Returns a fetch that accepts answers of at most `limit` bytes, for libraries that read whole answers. It resolves
 * when the body has arrived, and rejects when the body is longer.
 */
export function boundedFetch(limit: number): (url: string, options: FetchOptions) => Promise<Response> {
  return async (url, options) => {
    const answer = await fetch(url, options as RequestInit);
    if (answer.body === null) return answer;
    const body = await readAtMost(answer.body, limit);
    if (body === undefined) {
      throw new Error(`the answer of ${new URL(url).host} has more than ${limit} bytes`);
    }
    const { headers, status, statusText } = answer;
    return new Response(new Uint8Array(body), { headers, status, statusText });
  };
}
