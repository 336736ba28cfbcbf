import type { Worker } from 'node:worker_threads';
import { startThread } from '../../../lib/threads/start-thread.ts';
import type { DigestAlgorithm } from '../../../oci/digest.ts';
import { ReceiveRing } from '../socket-receive/receive-ring.ts';
import { ReceiveThread, type SocketTransfer, type TransferResult } from '../socket-receive/receive-thread.ts';
import type { HashCommand, HashReport, HashWorkerData } from './hash-messages.ts';
import { HashRing } from './hash-ring.ts';

/** Rings that are kept for reuse. */
const RINGS_KEPT = 16;

/** Callbacks for the answer of the thread to a command about a hash. */
interface Waiting {
  readonly done: (digest: string | undefined) => void;
  readonly failed: (error: Error) => void;
}

/** The thread that hashes, and the communication with it. Keeps no process alive except for a digest. */
export class HashWorkerClient {
  readonly #worker: Worker;
  readonly #doorbell = new Int32Array(new SharedArrayBuffer(4));
  readonly #receiveRing = new ReceiveRing();
  #receiver: ReceiveThread | undefined;
  /** Number of fillings of the receive ring that have been reported. */
  #received = 0;
  readonly #waiting = new Map<number, Waiting[]>();
  readonly #rings: HashRing[] = [];
  /** Callbacks for a failure, of calls that wait for anything other than a report. */
  readonly #onFailure = new Set<(error: Error) => void>();
  readonly #exited: Promise<void>;
  #failure: Error | undefined;
  #digests = 0;
  #lastKey = 0;

  constructor() {
    const workerData: HashWorkerData = { doorbell: this.#doorbell.buffer, receive: this.#receiveRing.memory };
    this.#worker = startThread(new URL('./hash-worker.ts', import.meta.url), workerData);
    this.#worker.on('message', ({ key, digest }: HashReport) => this.#take(key)?.done(digest));
    this.#worker.on('error', (error: Error) => this.#fail(error));
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#fail(new Error('the thread that hashes has ended'));
        resolve();
      });
    });
  }

  /** The error that ended the thread. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Begins a hash and returns its key. */
  begin(algorithm: DigestAlgorithm): number {
    this.#lastKey += 1;
    this.#tell({ kind: 'begin', key: this.#lastKey, algorithm });
    return this.#lastKey;
  }

  /** Returns a ring for the bytes of a hash that has none. Call `ring` after filling it. */
  feed(key: number): HashRing {
    const ring = this.#rings.pop() ?? new HashRing();
    this.#tell({ kind: 'feed', key, ring: ring.memory, after: this.#received });
    return ring;
  }

  /** Wakes the thread to read its rings. */
  ring(): void {
    Atomics.add(this.#doorbell, 0, 1);
    Atomics.notify(this.#doorbell, 0);
  }

  /** Receives bytes of a hash that has no ring: as ReceiveThread does. */
  async receive(
    key: number,
    transfer: SocketTransfer,
    onProgress: () => void,
    signal: AbortSignal,
  ): Promise<TransferResult> {
    this.#receiver ??= new ReceiveThread({ ring: this.#receiveRing.memory, doorbell: this.#doorbell.buffer });
    const { filled, ...result } = await this.#receiver.receive(key, transfer, onProgress, signal);
    if (((filled - this.#received) | 0) > 0) this.#received = filled;
    return result;
  }

  /** No more bytes for now; the ring must not be filled any more. */
  rest(key: number, ring: HashRing): void {
    this.#await(key, { done: () => this.#giveBack(ring), failed: () => {} });
    this.#tell({ kind: 'rest', key, after: this.#received });
  }

  /** Returns the digest of all bytes in the hash's rings, in lower-case hex. */
  async digest(key: number, ring: HashRing | undefined): Promise<string> {
    if (this.#failure !== undefined) throw this.#failure;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const done = (digest = '') => {
      if (ring !== undefined) this.#giveBack(ring);
      resolve(digest);
    };
    this.#await(key, { done, failed: reject });
    this.#tell({ kind: 'digest', key, after: this.#received });
    this.#digests += 1;
    this.#worker.ref();
    try {
      return await promise;
    } finally {
      this.#digests -= 1;
      if (this.#digests === 0) this.#worker.unref();
    }
  }

  drop(key: number, ring: HashRing | undefined): void {
    this.#await(key, { done: () => ring && this.#giveBack(ring), failed: () => {} });
    this.#tell({ kind: 'drop', key, after: this.#received });
  }

  /** Returns the outcome of `promise`, unless the thread ends first. */
  async orFailure<T>(promise: Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    // Not Promise.race, which would leak memory: the losing promise stays pending.
    const { promise: outcome, resolve, reject } = Promise.withResolvers<T>();
    this.#onFailure.add(reject);
    promise.then(resolve, reject);
    try {
      return await outcome;
    } finally {
      this.#onFailure.delete(reject);
    }
  }

  async close(): Promise<void> {
    await this.#receiver?.close();
    this.#tell({ kind: 'stop' });
    this.#worker.ref();
    await this.#exited;
  }

  #tell(command: HashCommand): void {
    this.#worker.postMessage(command);
    this.ring();
  }

  #await(key: number, waiting: Waiting): void {
    const others = this.#waiting.get(key);
    if (others === undefined) this.#waiting.set(key, [waiting]);
    else others.push(waiting);
  }

  /** Returns the next waiter of a hash: reports about one hash come in the order of the commands. */
  #take(key: number): Waiting | undefined {
    const waiting = this.#waiting.get(key);
    const first = waiting?.shift();
    if (waiting?.length === 0) this.#waiting.delete(key);
    return first;
  }

  #giveBack(ring: HashRing): void {
    if (this.#rings.length < RINGS_KEPT) this.#rings.push(ring);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#receiver?.terminate();
    for (const reject of this.#onFailure) reject(this.#failure);
    const waiting = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const { failed } of waiting) failed(this.#failure);
  }
}
