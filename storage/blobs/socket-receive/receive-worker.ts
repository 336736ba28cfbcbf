import { readSync, writeSync } from 'node:fs';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type Libc, loadLibc } from '../../../lib/linux/libc.ts';
import { POLLIN } from '../../../lib/linux/poll.ts';
import { type Transfer, TransferLoop } from '../../../lib/linux/transfer-loop.ts';
import type { ReceiveBegin, ReceiveReport, ReceiveWorkerData } from './receive-messages.ts';
import { ReceiveRing } from './receive-ring.ts';

/** Slots that one client fills before the next one's turn. */
const TURN = 4;
/** Bytes after which write-back begins, so that a commit waits only briefly. */
const WRITEBACK_EVERY = 8 * 1024 * 1024;
const PROGRESS_EVERY_MS = 1000;

/**
 * The thread that receives uploads: it reads from sockets into the ring of the thread that hashes, and writes the same
 * memory to the files. So uploads of any number take the memory of one ring.
 */
class Receiver {
  readonly libc: Libc;
  readonly ring: ReceiveRing;
  readonly loop: TransferLoop<ReceiveBegin>;
  readonly #port: MessagePort;
  readonly #doorbell: Int32Array;

  constructor(libc: Libc, port: MessagePort, { wakeFd, ring, doorbell }: ReceiveWorkerData) {
    this.libc = libc;
    this.#port = port;
    this.ring = new ReceiveRing(ring);
    this.#doorbell = new Int32Array(doorbell);
    this.loop = new TransferLoop(libc, port, wakeFd);
  }

  run(): void {
    this.loop.run((command) => {
      if (command.kind === 'receive') this.loop.begin(command.key, new Receiving(this, command));
      else if (command.kind === 'cancel') this.loop.cancel(command.key);
      else this.loop.stop();
    });
  }

  /** Passes the filled slot to the hash thread. */
  publish(key: number, length: number): void {
    this.ring.publish(key, length);
    Atomics.add(this.#doorbell, 0, 1);
    Atomics.notify(this.#doorbell, 0);
  }

  report(report: ReceiveReport): void {
    this.#port.postMessage(report);
  }
}

/** One upload. */
class Receiving implements Transfer {
  readonly #receiver: Receiver;
  readonly #command: ReceiveBegin;
  #received = 0;
  /** Bytes whose writing to the device has begun. */
  #begun = 0;
  #reportedAt = performance.now();

  constructor(receiver: Receiver, command: ReceiveBegin) {
    this.#receiver = receiver;
    this.#command = command;
  }

  get watched() {
    return { fd: this.#command.socket, events: POLLIN };
  }

  takeTurn(): void {
    const { key, socket, length: whole } = this.#command;
    for (let turn = 0; turn < TURN; turn += 1) {
      const slot = this.#receiver.ring.free();
      const left = whole - this.#received;
      const wanted = Math.min(left, slot.byteLength);
      const length = readNow(socket, slot, wanted);
      if (length === 'nothing yet') break;
      if (length === 0) {
        this.end();
        return;
      }
      this.#receiver.publish(key, length);
      try {
        this.#write(slot.subarray(0, length));
      } catch (error) {
        const { message, code } = error as NodeJS.ErrnoException;
        this.end({ message, code });
        return;
      }
      if (length === left) {
        this.end();
        return;
      }
      if (length < wanted) break;
    }
    if (performance.now() - this.#reportedAt < PROGRESS_EVERY_MS) return;
    this.#reportedAt = performance.now();
    this.#receiver.report({ kind: 'progress', key });
  }

  end(deviceError?: { message: string; code: string | undefined }): void {
    const { key, socket } = this.#command;
    this.#receiver.loop.forget(key);
    this.#receiver.libc.close(socket);
    const { filled } = this.#receiver.ring;
    const received = this.#received;
    this.#receiver.report({ kind: 'ended', key, received, filled, ...(deviceError && { deviceError }) });
  }

  #write(bytes: Uint8Array): void {
    const { file, position } = this.#command;
    for (let written = 0; written < bytes.byteLength; ) {
      const start = position + this.#received + written;
      written += writeSync(file, bytes, written, bytes.byteLength - written, start);
    }
    this.#received += bytes.byteLength;
    if (this.#received - this.#begun < WRITEBACK_EVERY) return;
    this.#receiver.libc.beginWriteback(file, position + this.#begun, this.#received - this.#begun);
    this.#begun = this.#received;
  }
}

/** Returns the number of bytes read; 0 at the end, because the client has ended or broken the connection. */
function readNow(socket: number, into: Uint8Array, length: number): number | 'nothing yet' {
  try {
    return readSync(socket, into, 0, length, null);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 'nothing yet' : 0;
  }
}

if (parentPort !== null) new Receiver(loadLibc(), parentPort, workerData as ReceiveWorkerData).run();
