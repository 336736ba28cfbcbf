import { randomBytes, timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { trimEndOf } from '../../lib/pattern/trim.ts';
import { FairQueue, type QueuePlace } from '../../lib/sync/fair-queue.ts';
import { RequestThread } from '../../lib/threads/request-thread.ts';
import type { Argon2Cost, Argon2Report, Argon2Request } from './argon2-worker.ts';

/** OWASP's "Password Storage Cheat Sheet", Argon2id; the memory is small enough for a busy registry. */
const COST: Argon2Cost = { memory: 19_456, passes: 2, parallelism: 1 };
const TAG_LENGTH = 32;
const SALT_LENGTH = 16;
/** Leaves one processor free for everything else. */
const THREADS = Math.min(4, Math.max(1, availableParallelism() - 1));
/** Milliseconds of idleness after which the threads end. */
const IDLE_TIME = 60_000;
/** Lanes by index: accounts at familiar addresses, attempts without a failure, and the others. */
const SCHEDULE = [0, 0, 1, 0, 1, 2] as const;

/** The client of a hash, and its priority. */
export interface HashTurn {
  readonly place: QueuePlace;
  /** Aborts when the client has disconnected. */
  readonly signal: AbortSignal;
}

/** For work without a client, such as commands. */
const OWN_TURN: HashTurn = {
  place: { lane: 0, keys: ['', ''] },
  signal: new AbortController().signal,
};

/**
 * Hashes and verifies passwords with argon2id; the only code that does. A few hashes run at a time, in dedicated
 * threads, in turn by address and account.
 */
export class PasswordHasher {
  readonly #idle: RequestThread<Argon2Request, Argon2Report>[];
  readonly #queue: FairQueue;
  #resting: NodeJS.Timeout | undefined;

  constructor(threads: number = THREADS) {
    const file = new URL('./argon2-worker.ts', import.meta.url);
    const options = { purpose: 'that hashes passwords', handsOverDescriptors: false };
    this.#idle = Array.from({ length: threads }, () => new RequestThread(file, options));
    this.#queue = new FairQueue(threads, SCHEDULE);
  }

  /** Hashes a password into a PHC string that states its cost. */
  async hash(password: string, turn: HashTurn = OWN_TURN): Promise<string> {
    const salt = randomBytes(SALT_LENGTH);
    const tag = await this.#derive(password, salt, COST, TAG_LENGTH, turn);
    const cost = `m=${COST.memory},t=${COST.passes},p=${COST.parallelism}`;
    return `$argon2id$v=19$${cost}$${unpadded(salt)}$${unpadded(tag)}`;
  }

  /** Verifies a password against a hash, at the cost that the hash states. Throws on any other hash. */
  async verify(password: string, hash: string, turn: HashTurn = OWN_TURN): Promise<boolean> {
    const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(
      hash,
    );
    if (match === null) throw new Error('the stored password hash is not an argon2id PHC string');
    const [memory = 0, passes = 0, parallelism = 0] = match.slice(1, 4).map(Number);
    const expected = Buffer.from(match[5] ?? '', 'base64');
    const salt = Buffer.from(match[4] ?? '', 'base64');
    const tag = await this.#derive(password, salt, { memory, passes, parallelism }, expected.length, turn);
    return timingSafeEqual(tag, expected);
  }

  #derive(
    password: string,
    salt: Uint8Array,
    cost: Argon2Cost,
    tagLength: number,
    { place, signal }: HashTurn,
  ): Promise<Uint8Array> {
    return this.#queue.hold(place, signal, async () => {
      const thread = this.#idle.pop();
      if (thread === undefined) throw new Error('more concurrent hashes than threads');
      clearTimeout(this.#resting);
      try {
        const id = thread.newId();
        const report = await thread.ask({ id, password: Buffer.from(password), salt, tagLength, ...cost });
        if ('failure' in report) throw new Error(`argon2 failed: ${report.failure}`);
        return report.tag;
      } finally {
        this.#idle.push(thread);
        this.#resting = setTimeout(() => this.#rest(), IDLE_TIME).unref();
      }
    });
  }

  #rest(): void {
    for (const thread of this.#idle) thread.rest().catch(() => undefined);
  }
}

function unpadded(bytes: Uint8Array): string {
  return trimEndOf(Buffer.from(bytes).toString('base64'), '=');
}
