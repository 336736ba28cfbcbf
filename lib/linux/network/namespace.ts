import { closeSync, openSync } from 'node:fs';
import { getSystemErrorMessage } from 'node:util';
import koffi from 'koffi';

const CLONE_NEWNET = 0x40000000;

/**
 * Moves the calling thread between network namespaces; other threads stay. Work in another namespace must be
 * synchronous: the sockets and processes that it creates belong to that namespace.
 */
export class NamespaceMover {
  readonly #unshare: (flags: number) => number;
  readonly #setns: (fd: number, type: number) => number;
  readonly #home: number;

  /** Records the thread's current namespace, to which it returns. */
  constructor() {
    const library = koffi.load(null);
    this.#unshare = library.func('int unshare(int flags)');
    this.#setns = library.func('int setns(int fd, int type)');
    this.#home = openSync('/proc/thread-self/ns/net', 'r');
  }

  /**
   * Creates a namespace and returns its descriptor, which the caller closes. The namespace exists while something holds
   * it.
   */
  make(): number {
    if (this.#unshare(CLONE_NEWNET) !== 0) throw failure('a network namespace cannot be made');
    try {
      return openSync('/proc/thread-self/ns/net', 'r');
    } finally {
      this.#enter(this.#home);
    }
  }

  /** Runs `work` in the namespace of a descriptor. */
  inside<T>(namespace: number, work: () => T): T {
    this.#enter(namespace);
    try {
      return work();
    } finally {
      this.#enter(this.#home);
    }
  }

  close(): void {
    closeSync(this.#home);
  }

  #enter(namespace: number): void {
    if (this.#setns(namespace, CLONE_NEWNET) !== 0) throw failure('a network namespace cannot be entered');
  }
}

function failure(what: string): Error {
  return new Error(`${what}: ${getSystemErrorMessage(-koffi.errno())}`);
}
