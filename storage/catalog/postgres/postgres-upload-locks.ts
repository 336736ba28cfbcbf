import type { UploadLocks } from '../../blobs/blob-driver.ts';
import { LastingClient } from './lasting-client.ts';

/** The server releases the locks of an unreachable machine after a minute. */
const SESSION =
  'set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 3';

/**
 * Locks of uploads for processes that share a database: advisory locks of a dedicated connection. A killed process
 * releases its locks. When the connection breaks, all are lost at once: two processes may then write to one upload, and
 * the catalog lets only one of them continue.
 */
export class PostgresUploadLocks implements UploadLocks {
  readonly #client: LastingClient;

  constructor(url: string) {
    this.#client = new LastingClient(url, SESSION);
  }

  async take(id: string): Promise<(() => Promise<void>) | undefined> {
    const values = keyOf(id);
    const [row] = await this.#client.query<{ taken: boolean }>({
      name: 'take',
      text: 'select pg_try_advisory_lock($1::int, $2::int) as taken',
      values,
    });
    if (row?.taken !== true) return undefined;
    return () =>
      this.#client.tell({ name: 'release', text: 'select pg_advisory_unlock($1::int, $2::int)', values });
  }

  close(): Promise<void> {
    return this.#client.end();
  }
}

/**
 * Returns the first 64 bits of a UUID, nearly all of which are random. Locks with one key, which other code takes,
 * never clash with locks with two.
 */
function keyOf(id: string): number[] {
  const hex = id.replaceAll('-', '');
  return [hex.slice(0, 8), hex.slice(8, 16)].map((digits) => Number.parseInt(digits, 16) | 0);
}
