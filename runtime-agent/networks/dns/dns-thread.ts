import { closeSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import { loadLibc } from '../../../lib/linux/libc.ts';
import { endThread, startThread } from '../../../lib/threads/start-thread.ts';
import type { ResolverSockets } from '../kernel/kernel.ts';
import type { DnsMember } from './name-directory.ts';

/** Messages to the thread. */
export type DnsMessage =
  | { readonly kind: 'know'; readonly member: DnsMember }
  | { readonly kind: 'open'; readonly id: string; readonly sockets: ResolverSockets }
  | { readonly kind: 'forget'; readonly id: string };

/** Milliseconds after which a thread that has failed is replaced. */
const PAUSE = 1_000;

/**
 * The thread of all containers' resolvers. It has a copy of their names, so it answers while the API is busy, and the
 * API works while a container floods it. It starts with the first resolver; a failed thread is replaced, on the same
 * sockets.
 */
export class DnsThread {
  readonly #log: Logger;
  readonly #file: URL;
  readonly #libc = loadLibc();
  readonly #members = new Map<string, DnsMember>();
  /** By container. The thread works on copies. */
  readonly #sockets = new Map<string, ResolverSockets>();
  #worker: Worker | undefined;
  #restart: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(log: Logger, file = new URL('./dns-worker.ts', import.meta.url)) {
    this.#log = log;
    this.#file = file;
  }

  /** Updates a container for those that share a network with it. */
  know(member: DnsMember): void {
    this.#members.set(member.id, member);
    this.#worker?.postMessage({ kind: 'know', member } satisfies DnsMessage);
  }

  /** Serves a container's queries on these sockets, which it takes over. */
  open(id: string, sockets: ResolverSockets): void {
    this.#release(id);
    this.#sockets.set(id, sockets);
    if (this.#worker !== undefined) this.#tellSockets(id, sockets);
    else if (this.#restart === undefined) this.#start();
  }

  isOpen(id: string): boolean {
    return this.#sockets.has(id);
  }

  /** Forgets a container that has ended. */
  forget(id: string): void {
    this.#members.delete(id);
    this.#worker?.postMessage({ kind: 'forget', id } satisfies DnsMessage);
    this.#release(id);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#restart);
    if (this.#worker !== undefined) await endThread(this.#worker);
    for (const id of [...this.#sockets.keys()]) this.#release(id);
  }

  #start(): void {
    if (this.#closed) return;
    const worker = startThread(this.#file, undefined, {
      // The thread must not close the sockets if it ends before it has taken them over.
      trackUnmanagedFds: false,
    });
    this.#worker = worker;
    worker.on('error', (error) => this.#log.error({ err: error }, 'the resolvers of containers have failed'));
    worker.on('exit', () => {
      this.#worker = undefined;
      if (this.#closed) return;
      this.#restart = setTimeout(() => {
        this.#restart = undefined;
        if (this.#sockets.size > 0) this.#start();
      }, PAUSE).unref();
    });
    for (const member of this.#members.values()) this.know(member);
    for (const [id, sockets] of this.#sockets) this.#tellSockets(id, sockets);
  }

  #tellSockets(id: string, { udp, tcp }: ResolverSockets): void {
    const sockets = { udp: this.#libc.duplicate(udp), tcp: this.#libc.duplicate(tcp) };
    this.#worker?.postMessage({ kind: 'open', id, sockets } satisfies DnsMessage);
  }

  #release(id: string): void {
    const sockets = this.#sockets.get(id);
    if (sockets === undefined) return;
    this.#sockets.delete(id);
    closeSync(sockets.udp);
    closeSync(sockets.tcp);
  }
}
