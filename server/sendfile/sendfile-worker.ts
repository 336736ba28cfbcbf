import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { type Libc, loadLibc } from '../../storage/linux/libc.ts';
import { POLLIN, POLLOUT, waitForEvents } from '../../storage/linux/poll.ts';
import type { SendfileCommand, SendfileReport, SendfileWorkerData } from './sendfile-messages.ts';

const EINTR = 4;
const EAGAIN = 11;
/** Bytes that one client gets before it is the next one's turn. */
const SLICE = 1024 * 1024;
const PROGRESS_EVERY_MS = 1000;

interface Transfer {
  readonly key: number;
  readonly socket: number;
  readonly file: number;
  readonly start: number;
  readonly end: number;
  readonly offset: BigInt64Array;
  reportedAt: number;
}

/**
 * The thread that sends all files. It never returns to its event loop: it sleeps in poll(2) over the sockets,
 * which do not block, and the eventfd by which the main thread says that there are commands. So any number of
 * slow clients costs one thread.
 */
class SendfileLoop {
  readonly #libc: Libc;
  readonly #port: MessagePort;
  readonly #wakeFd: number;
  readonly #transfers = new Map<number, Transfer>();
  #stopped = false;

  constructor(libc: Libc, port: MessagePort, wakeFd: number) {
    this.#libc = libc;
    this.#port = port;
    this.#wakeFd = wakeFd;
  }

  run(): void {
    while (!this.#stopped) {
      const transfers = [...this.#transfers.values()];
      const [commanded, ...writable] = waitForEvents(this.#libc, [
        { fd: this.#wakeFd, events: POLLIN },
        ...transfers.map(({ socket }) => ({ fd: socket, events: POLLOUT })),
      ]);
      transfers.forEach((transfer, index) => {
        if (writable[index]) this.#sendSlice(transfer);
      });
      if (commanded) {
        this.#libc.drain(this.#wakeFd);
        this.#obey();
      }
    }
  }

  #obey(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: SendfileCommand } | undefined;
      if (received === undefined) return;
      const command = received.message;
      if (command.kind === 'send') {
        const { kind: _, ...transfer } = command;
        const offset = new BigInt64Array([BigInt(command.start)]);
        this.#transfers.set(command.key, { ...transfer, offset, reportedAt: performance.now() });
      } else if (command.kind === 'cancel') {
        const transfer = this.#transfers.get(command.key);
        if (transfer !== undefined) this.#end(transfer);
      } else {
        this.#stopped = true;
        for (const transfer of this.#transfers.values()) this.#end(transfer);
      }
    }
  }

  #sendSlice(transfer: Transfer): void {
    const { key, socket, file, end, offset } = transfer;
    const left = end - Number(offset[0]);
    const sent = this.#libc.sendfile(socket, file, offset, Math.min(left, SLICE));
    if (sent < 0) {
      const errno = this.#libc.errno();
      if (errno === EAGAIN || errno === EINTR) return;
      this.#end(transfer, `sendfile(2) failed with error number ${errno}`);
      return;
    }
    if (sent === left) this.#end(transfer);
    else if (sent === 0) this.#end(transfer, `the file ends ${left} bytes too early`);
    else if (performance.now() - transfer.reportedAt >= PROGRESS_EVERY_MS) {
      transfer.reportedAt = performance.now();
      this.#report({ kind: 'progress', key });
    }
  }

  #end({ key, socket, start, offset }: Transfer, error?: string): void {
    this.#transfers.delete(key);
    this.#libc.close(socket);
    const sent = Number(offset[0]) - start;
    this.#report({ kind: 'ended', key, sent, ...(error !== undefined && { error }) });
  }

  #report(report: SendfileReport): void {
    this.#port.postMessage(report);
  }
}

if (parentPort !== null) {
  new SendfileLoop(loadLibc(), parentPort, (workerData as SendfileWorkerData).wakeFd).run();
}
