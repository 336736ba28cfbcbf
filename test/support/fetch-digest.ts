import { createHash } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { pipeline } from 'node:stream/promises';

/** Reads an answer of any size in bounded memory. Answers the digest of its body; throws when the status is not 200. */
export async function fetchDigest(url: string, signal?: AbortSignal): Promise<string> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(url, {
      agent: false,
      timeout: 120_000,
      ...(signal === undefined ? {} : { signal }),
    });
    sent.once('response', resolve).once('error', reject);
    sent.once('timeout', () => sent.destroy(new Error(`no answer from ${url}`)));
    sent.end();
  });
  const hash = createHash('sha256');
  await pipeline(response, hash);
  if (response.statusCode !== 200) throw new Error(`GET ${url} answered ${response.statusCode}`);
  return `sha256:${hash.digest('hex')}`;
}
