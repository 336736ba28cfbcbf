/** Work that has begun and not ended. */
export interface NamedWork {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

const SLOTS = 64;
/** Slots that `begin` examines for a free one. */
const TRIES = 8;
const HEADER = 8;
const SLOT = 256;
/** Offsets in a slot: the time as a double, the length of the name, the name. A free slot has length 0. */
const TIME = 0;
const LENGTH = 8;
const NAME = 10;
/** Maximum bytes of a name; longer names are cut. */
const NAME_LIMIT = SLOT - NAME;

/**
 * Names of the running work of a thread, in memory that other threads can read while that thread is blocked. It holds
 * the latest 64 that have not ended, and the thread's heartbeat.
 */
export class WorkUnderWay {
  readonly memory: SharedArrayBuffer;
  readonly #header: Int32Array;
  readonly #bytes: Buffer;
  readonly #tickets = new Float64Array(SLOTS);
  #sequence = 0;

  /** `memory` belongs to another thread's instance, which this one reads. */
  constructor(memory = new SharedArrayBuffer(HEADER + SLOTS * SLOT)) {
    this.memory = memory;
    this.#header = new Int32Array(memory, 0, 2);
    this.#bytes = Buffer.from(memory, HEADER);
  }

  /** Returns the ticket for `end`. Names are ASCII, and contain no secrets: they are logged. */
  begin(name: string): number {
    this.#sequence += 1;
    let slot = this.#sequence % SLOTS;
    for (let tries = 0; tries < TRIES && this.#tickets[slot] !== 0; tries += 1) slot = (slot + 1) % SLOTS;
    const ticket = this.#sequence * SLOTS + slot;
    const at = slot * SLOT;
    this.#tickets[slot] = ticket;
    this.#bytes.writeDoubleLE(Date.now(), at + TIME);
    this.#bytes.writeUInt16LE(this.#bytes.write(name, at + NAME, NAME_LIMIT, 'latin1'), at + LENGTH);
    return ticket;
  }

  end(ticket: number): void {
    const slot = ticket % SLOTS;
    // Later work may have taken the slot.
    if (this.#tickets[slot] !== ticket) return;
    this.#tickets[slot] = 0;
    this.#bytes.writeUInt16LE(0, slot * SLOT + LENGTH);
  }

  /** Lists the latest first. */
  list(): readonly NamedWork[] {
    const found: NamedWork[] = [];
    for (let at = 0; at < SLOTS * SLOT; at += SLOT) {
      const length = this.#bytes.readUInt16LE(at + LENGTH);
      if (length === 0) continue;
      const name = this.#bytes.toString('latin1', at + NAME, at + NAME + length);
      found.push({ name, since: this.#bytes.readDoubleLE(at + TIME) });
    }
    return found.sort((a, b) => b.since - a.since);
  }

  /** Records that the event loop turns, and whether a debugger may stop it. */
  beat(debugged: boolean): void {
    Atomics.store(this.#header, 1, debugged ? 1 : 0);
    Atomics.add(this.#header, 0, 1);
  }

  get beats(): number {
    return Atomics.load(this.#header, 0);
  }

  get debugged(): boolean {
    return Atomics.load(this.#header, 1) === 1;
  }
}

interface Request {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}

interface Closing {
  once(event: 'close', listener: () => void): unknown;
}

/**
 * Records an HTTP request as work until `until` closes: method and path, without the query, which may contain secrets.
 */
export function followRequest(work: WorkUnderWay, { method = '', url = '' }: Request, until: Closing): void {
  const query = url.indexOf('?');
  const ticket = work.begin(`${method} ${query === -1 ? url : url.slice(0, query)}`);
  until.once('close', () => work.end(ticket));
}
