import { readSync } from 'node:fs';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ERRNO } from '../../../lib/linux/errno.ts';
import { type Libc, loadLibc } from '../../../lib/linux/libc.ts';
import { connectSeqpacket } from '../../../lib/linux/terminal/seqpacket.ts';
import { threadHasLoaded } from '../../../lib/threads/start-thread.ts';
import {
  type AttachCommand,
  type AttachReport,
  type AttachWorkerData,
  OUTPUT_WINDOW,
  type OutputRun,
} from './attach-messages.ts';

const POLLIN = 1;
const POLLOUT = 4;
/** Maximum milliseconds of one sleep; the thread can be terminated only between sleeps. */
const LONGEST_SLEEP = 1_000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
/** conmon reads at most 32 kB of a packet; the kernel keeps packets whole, so smaller ones fit its buffer better. */
const MAX_INPUT = 8 * 1024;
/** conmon's packets: one byte that names the stream, and up to 8 kB. */
const MAX_PACKET = 8193;
const SLAB = 64 * 1024;
const STDERR = 3;

interface Connection {
  readonly key: number;
  readonly fd: number;
  readonly pending: { readonly data: Uint8Array; readonly sequence: number; offset: number }[];
  endInput: boolean;
  /** Bytes passed to the hub and not yet consumed. */
  outstanding: number;
}

/**
 * The thread that serves all attach sockets of the agent. It never returns to its event loop: it sleeps in poll(2) over
 * the sockets and the eventfd by which the hub announces commands.
 */
class AttachLoop {
  readonly #libc: Libc;
  readonly #port: MessagePort;
  readonly #wakeFd: number;
  readonly #connections = new Map<number, Connection>();
  #stopped = false;

  constructor(libc: Libc, port: MessagePort, wakeFd: number) {
    this.#libc = libc;
    this.#port = port;
    this.#wakeFd = wakeFd;
  }

  run(): void {
    threadHasLoaded();
    const counter = new Uint8Array(8);
    while (!this.#stopped) {
      const watched = [...this.#connections.values()];
      const fds = new DataView(new ArrayBuffer(8 * (watched.length + 1)));
      setPollfd(fds, 0, this.#wakeFd, POLLIN);
      watched.forEach((connection, index) => {
        const events = wantedEvents(connection);
        // A hung-up socket is reported even without requested events; a negative descriptor is not.
        setPollfd(fds, index + 1, events === 0 ? -1 : connection.fd, events);
      });
      if (this.#libc.poll(new Uint8Array(fds.buffer), watched.length + 1, LONGEST_SLEEP) < 0) {
        if (this.#libc.errno() === ERRNO.EINTR) continue;
        throw new Error(`poll(2) failed with error number ${this.#libc.errno()}`);
      }
      watched.forEach((connection, index) => {
        this.#serve(connection, readyEvents(fds, index + 1));
      });
      if (readyEvents(fds, 0) !== 0) {
        readSync(this.#wakeFd, counter);
        this.#obey();
      }
    }
  }

  #obey(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: AttachCommand } | undefined;
      if (received === undefined) return;
      const command = received.message;
      if (command.kind === 'stop') {
        this.#stopped = true;
        for (const connection of this.#connections.values()) this.#libc.close(connection.fd);
        return;
      }
      if (command.kind === 'open') {
        this.#open(command.key, command.path);
        continue;
      }
      const connection = this.#connections.get(command.key);
      if (connection === undefined) continue;
      if (command.kind === 'close') this.#end(connection, true);
      else if (command.kind === 'consumed') connection.outstanding -= command.bytes;
      else if (command.kind === 'end-input') {
        connection.endInput = true;
        this.#flush(connection);
      } else {
        connection.pending.push({ data: command.data, sequence: command.sequence, offset: 0 });
        this.#flush(connection);
      }
    }
  }

  #open(key: number, path: string): void {
    try {
      const fd = connectSeqpacket(this.#libc, path);
      this.#connections.set(key, { key, fd, pending: [], endInput: false, outstanding: 0 });
      this.#report({ kind: 'opened', key, fd });
    } catch (error) {
      this.#report({ kind: 'ended', key, error: (error as Error).message });
    }
  }

  #serve(connection: Connection, ready: number): void {
    if (ready === 0 || !this.#connections.has(connection.key)) return;
    if ((ready & POLLOUT) !== 0) this.#flush(connection);
    if ((ready & ~POLLOUT) === 0 || connection.outstanding >= OUTPUT_WINDOW) return;
    const read = readPackets(this.#libc, connection.fd);
    if (read.bytes > 0) {
      connection.outstanding += read.bytes;
      this.#report({ kind: 'output', key: connection.key, runs: read.runs }, read.runs[0]?.data.buffer);
    }
    if (read.ended) this.#end(connection, false);
  }

  #flush(connection: Connection): void {
    for (let next = connection.pending[0]; next !== undefined; next = connection.pending[0]) {
      while (next.offset < next.data.length) {
        const part = next.data.subarray(next.offset, next.offset + MAX_INPUT);
        const sent = Number(this.#libc.send(connection.fd, part, part.length, MSG_DONTWAIT | MSG_NOSIGNAL));
        if (sent < 0) {
          const errno = this.#libc.errno();
          if (errno === ERRNO.EINTR) continue;
          if (errno === ERRNO.EAGAIN) return;
          // The container accepts no more input. Its output may still arrive, and reports its end.
          next.offset = next.data.length;
        } else next.offset += sent;
      }
      connection.pending.shift();
      this.#report({ kind: 'sent', key: connection.key, sequence: next.sequence });
    }
    if (connection.endInput) this.#libc.shutdown(connection.fd, SHUT_WR);
  }

  #end(connection: Connection, quietly: boolean): void {
    this.#connections.delete(connection.key);
    this.#libc.close(connection.fd);
    if (!quietly) this.#report({ kind: 'ended', key: connection.key });
  }

  #report(report: AttachReport, transfer?: ArrayBufferLike): void {
    this.#port.postMessage(report, transfer instanceof ArrayBuffer ? [transfer] : []);
  }
}

function wantedEvents(connection: Connection): number {
  const input = connection.outstanding < OUTPUT_WINDOW ? POLLIN : 0;
  return input | (connection.pending.length > 0 ? POLLOUT : 0);
}

/** struct pollfd: int fd, short events, short revents, in the machine's byte order (little-endian on both). */
function setPollfd(fds: DataView, index: number, fd: number, events: number): void {
  fds.setInt32(index * 8, fd, true);
  fds.setInt16(index * 8 + 4, events, true);
}

function readyEvents(fds: DataView, index: number): number {
  return fds.getInt16(index * 8 + 6, true);
}

interface PacketsRead {
  readonly runs: readonly OutputRun[];
  /** Number of bytes in all runs. */
  readonly bytes: number;
  readonly ended: boolean;
}

/** Reads the packets that have arrived, at most about 64 kB of them, without waiting. */
function readPackets(libc: Libc, fd: number): PacketsRead {
  // Each packet is read over the last byte of the previous one, which is then restored over the stream's mark: so
  // payloads are contiguous without a copy.
  const slab = new Uint8Array(SLAB + MAX_PACKET);
  const runs: { stream: OutputRun['stream']; start: number; end: number }[] = [];
  let end = 1;
  let ended = false;
  while (end < SLAB) {
    const saved = slab[end - 1] as number;
    const length = Number(libc.recv(fd, slab.subarray(end - 1), MAX_PACKET, MSG_DONTWAIT));
    if (length < 0) {
      const errno = libc.errno();
      if (errno === ERRNO.EINTR) continue;
      ended = errno !== ERRNO.EAGAIN;
      break;
    }
    if (length === 0) {
      ended = true;
      break;
    }
    const stream = slab[end - 1] === STDERR ? 'stderr' : 'stdout';
    slab[end - 1] = saved;
    const last = runs.at(-1);
    if (last?.stream === stream) last.end = end + length - 1;
    else runs.push({ stream, start: end, end: end + length - 1 });
    end += length - 1;
  }
  // A small piece should not retain a whole slab.
  const bytes = end < SLAB / 4 ? slab.slice(0, end) : slab;
  return {
    runs: runs.map(({ stream, start, end: stop }) => ({ stream, data: bytes.subarray(start, stop) })),
    bytes: end - 1,
    ended,
  };
}

if (parentPort !== null) {
  new AttachLoop(loadLibc(), parentPort, (workerData as AttachWorkerData).wakeFd).run();
}
