import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import { ERRNO } from '../errno.ts';
import type { Libc } from '../libc.ts';
import { type NetlinkMessage, netlinkMessage, splitMessages } from './netlink-message.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
/** Protocols of netlink(7). */
export const NETLINK = { route: 0, netfilter: 12 } as const;
const ERROR = 2;
const DONE = 3;
const REQUEST = 1;
const ACKNOWLEDGE = 4;
const DUMP = 0x300;
const ANSWER_SIZE = 256 * 1024;

/** The kernel refused; `code` is its error by name, such as `EEXIST`. */
export class NetlinkError extends Error {
  readonly code: string;
  constructor(what: string, errno: number) {
    super(`${what}: ${getSystemErrorMessage(-errno)}`);
    this.name = 'NetlinkError';
    this.code = getSystemErrorName(-errno);
  }
}

/**
 * A netlink(7) socket, of rtnetlink(7) by default, in the network namespace of the thread that creates it. Its calls
 * block while the kernel works, usually well under a millisecond, so it belongs in its own thread.
 */
export class NetlinkSocket {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(ANSWER_SIZE);
  #sequence = 0;

  constructor(libc: Libc, protocol: number = NETLINK.route) {
    this.#libc = libc;
    this.#fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (this.#fd < 0) throw new NetlinkError('cannot open a netlink socket', libc.errno());
  }

  /** Sends a request and waits for its acknowledgement. Throws NetlinkError, whose message begins with `what`. */
  request(what: string, type: number, flags: number, ...parts: readonly Uint8Array[]): void {
    this.#send(what, type, REQUEST | ACKNOWLEDGE | flags, parts);
    this.#receive(what);
  }

  /** Like request, for a query with one answer. */
  ask(what: string, type: number, ...parts: readonly Uint8Array[]): NetlinkMessage | undefined {
    this.#send(what, type, REQUEST | ACKNOWLEDGE, parts);
    return this.#receive(what)[0];
  }

  /** Lists every object of a kind. */
  dump(what: string, type: number, ...parts: readonly Uint8Array[]): readonly NetlinkMessage[] {
    this.#send(what, type, REQUEST | DUMP, parts);
    return this.#receive(what);
  }

  close(): void {
    this.#libc.close(this.#fd);
  }

  #send(what: string, type: number, flags: number, parts: readonly Uint8Array[]): void {
    this.#sequence += 1;
    const message = netlinkMessage(type, flags, this.#sequence, ...parts);
    if (this.#libc.send(this.#fd, message, message.length, 0) < 0) {
      throw new NetlinkError(what, this.#libc.errno());
    }
  }

  /** Receives messages up to the acknowledgement or the end of a dump. */
  #receive(what: string): readonly NetlinkMessage[] {
    const answers: NetlinkMessage[] = [];
    for (;;) {
      const length = this.#libc.recv(this.#fd, this.#buffer, this.#buffer.length, 0);
      if (length < 0) {
        const errno = this.#libc.errno();
        if (errno === ERRNO.EINTR) continue;
        throw new NetlinkError(what, errno);
      }
      for (const message of splitMessages(Buffer.from(this.#buffer.subarray(0, length)))) {
        if (message.type === DONE) return answers;
        if (message.type !== ERROR) {
          answers.push(message);
          continue;
        }
        const errno = -message.body.readInt32LE(0);
        if (errno !== 0) throw new NetlinkError(what, errno);
        return answers;
      }
    }
  }
}
