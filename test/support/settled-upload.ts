import { eventually } from './eventually.ts';
import type { RegistryClient } from './registry-client.ts';

/**
 * Returns the size of an upload once no request writes to it: a chunk that can never be in order is
 * answered 409 while one does, and then 416 with where the upload stands.
 */
export function settledSize(registry: RegistryClient, location: string): Promise<number> {
  return eventually('nobody writes to the upload', async () => {
    const headers = { 'Content-Range': '900000000000-900000000000' };
    const answer = await registry.send('PATCH', location, { body: 'x', headers });
    if (answer.status === 409) return undefined;
    if (answer.status !== 416) throw new Error(`${answer.status} ${answer.body}`);
    const status = await registry.send('GET', location);
    const last = Number(/^0-(\d+)$/.exec(status.headers.range ?? '')?.[1]);
    return last === 0 ? 0 : last + 1;
  });
}
