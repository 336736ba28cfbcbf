import type { UploadLocks } from '../../blobs/blob-driver.ts';
import { LastingClient } from './lasting-client.ts';

/** A machine that has gone without a word lets go of its locks after a minute. */
const SESSION =
  'set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 3';

/**
 * Locks of uploads for processes that share a database: advisory locks of a connection of their own. Whoever was killed
 * holds none. When the connection breaks all are lost at once: then two may write to one upload, of whom the catalog
 * lets one go on.
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

/** The first 64 bits of a UUID, nearly all of which are random. Locks of one key, which others take, are apart from those of two. */
function keyOf(id: string): number[] {
  const hex = id.replaceAll('-', '');
  return [hex.slice(0, 8), hex.slice(8, 16)].map((digits) => Number.parseInt(digits, 16) | 0);
}
