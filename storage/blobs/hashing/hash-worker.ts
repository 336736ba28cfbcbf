import { createHash, type Hash } from 'node:crypto';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { threadHasLoaded } from '../../../lib/threads/start-thread.ts';
import { ReceiveRing } from '../socket-receive/receive-ring.ts';
import type { HashCommand, HashReport, HashWorkerData } from './hash-messages.ts';
import { HashRing } from './hash-ring.ts';

/**
 * The thread that hashes. It never returns to its event loop: it sleeps until it is woken, handles its commands, and
 * hashes the content of the rings.
 */
class HashLoop {
  readonly #port: MessagePort;
  readonly #doorbell: Int32Array;
  readonly #receiver: ReceiveRing;
  readonly #hashes = new Map<number, Hash>();
  /** Rings of growing hashes. */
  readonly #rings = new Map<number, HashRing>();
  #stopped = false;

  constructor(port: MessagePort, { doorbell, receive }: HashWorkerData) {
    this.#port = port;
    this.#doorbell = new Int32Array(doorbell);
    this.#receiver = new ReceiveRing(receive);
  }

  run(): void {
    threadHasLoaded();
    for (;;) {
      const rung = Atomics.load(this.#doorbell, 0);
      // In this order: the commands that a slot relies on were given before it was filled.
      const { filled } = this.#receiver;
      this.#obeyAll();
      if (this.#stopped) return;
      this.#emptyReceiveRing(filled);
      for (const [key, ring] of this.#rings) emptyInto(this.#hashOf(key), ring);
      Atomics.wait(this.#doorbell, 0, rung);
    }
  }

  #obeyAll(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: HashCommand } | undefined;
      if (received === undefined) return;
      this.#obey(received.message);
    }
  }

  #obey(command: HashCommand): void {
    if (command.kind === 'stop') {
      this.#stopped = true;
      return;
    }
    const { key } = command;
    if (command.kind === 'begin') this.#hashes.set(key, createHash(command.algorithm));
    else if (command.kind === 'feed') {
      this.#emptyReceiveRing(command.after);
      this.#rings.set(key, new HashRing(command.ring));
    } else this.#rest(command);
  }

  #rest({ key, kind, after }: Extract<HashCommand, { kind: 'rest' | 'digest' | 'drop' }>): void {
    this.#emptyReceiveRing(after);
    const hash = this.#hashOf(key);
    const ring = this.#rings.get(key);
    if (ring !== undefined) emptyInto(hash, ring);
    this.#rings.delete(key);
    if (kind !== 'rest') this.#hashes.delete(key);
    const report: HashReport = kind === 'digest' ? { key, digest: hash.digest('hex') } : { key };
    this.#port.postMessage(report);
  }

  #emptyReceiveRing(end: number): void {
    this.#receiver.emptyUpTo(end, (key, bytes) => this.#hashOf(key).update(bytes));
  }

  #hashOf(key: number): Hash {
    const hash = this.#hashes.get(key);
    if (hash === undefined) throw new Error(`there is no hash ${key}`);
    return hash;
  }
}

function emptyInto(hash: Hash, ring: HashRing): void {
  ring.empty((bytes) => hash.update(bytes));
}

if (parentPort !== null) {
  new HashLoop(parentPort, workerData as HashWorkerData).run();
}
