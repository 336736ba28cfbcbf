import { readSync, writeSync } from 'node:fs';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { type Libc, loadLibc } from '../../linux/libc.ts';
import { POLLIN, waitForEvents } from '../../linux/poll.ts';
import type { IntakeCommand, IntakeReport, IntakeWorkerData } from './intake-messages.ts';
import { IntakeRing } from './intake-ring.ts';

/** Slots that one client fills before it is the next one's turn. */
const TURN = 4;
/** Bytes after which the device begins to store them, so that a commit has little left to wait for. */
const WRITEBACK_EVERY = 8 * 1024 * 1024;
const PROGRESS_EVERY_MS = 1000;

type ReceiveCommand = Extract<IntakeCommand, { kind: 'receive' }>;

interface Transfer extends Omit<ReceiveCommand, 'kind'> {
  received: number;
  /** Bytes whose writing to the device has begun. */
  begun: number;
  reportedAt: number;
}

/**
 * The thread that receives uploads: it reads from sockets into the ring of the thread that hashes, and writes the same
 * memory to the files. It never returns to its event loop: it sleeps in poll(2) over the sockets, which do not block,
 * and the eventfd by which the main thread says that there are commands. So uploads of any number take the memory of
 * one ring.
 */
class IntakeLoop {
  readonly #libc: Libc;
  readonly #port: MessagePort;
  readonly #wakeFd: number;
  readonly #ring: IntakeRing;
  readonly #doorbell: Int32Array;
  readonly #transfers = new Map<number, Transfer>();
  #stopped = false;

  constructor(libc: Libc, port: MessagePort, { wakeFd, ring, doorbell }: IntakeWorkerData) {
    this.#libc = libc;
    this.#port = port;
    this.#wakeFd = wakeFd;
    this.#ring = new IntakeRing(ring);
    this.#doorbell = new Int32Array(doorbell);
  }

  run(): void {
    while (!this.#stopped) {
      const transfers = [...this.#transfers.values()];
      const [commanded, ...readable] = waitForEvents(
        this.#libc,
        [this.#wakeFd, ...transfers.map(({ socket }) => socket)].map((fd) => ({ fd, events: POLLIN })),
      );
      transfers.forEach((transfer, index) => {
        if (readable[index]) this.#takeTurn(transfer);
      });
      if (commanded) {
        this.#libc.drain(this.#wakeFd);
        this.#obey();
      }
    }
  }

  #obey(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: IntakeCommand } | undefined;
      if (received === undefined) return;
      const command = received.message;
      if (command.kind === 'receive') {
        const { kind: _, ...transfer } = command;
        const reportedAt = performance.now();
        this.#transfers.set(command.key, { ...transfer, received: 0, begun: 0, reportedAt });
      } else if (command.kind === 'cancel') {
        const transfer = this.#transfers.get(command.key);
        if (transfer !== undefined) this.#end(transfer);
      } else {
        this.#stopped = true;
        for (const transfer of this.#transfers.values()) this.#end(transfer);
      }
    }
  }

  #takeTurn(transfer: Transfer): void {
    for (let turn = 0; turn < TURN; turn += 1) {
      const slot = this.#ring.free();
      const left = transfer.length - transfer.received;
      const wanted = Math.min(left, slot.byteLength);
      const length = readNow(transfer.socket, slot, wanted);
      if (length === 'nothing yet') break;
      if (length === 0) {
        this.#end(transfer);
        return;
      }
      this.#ring.publish(transfer.key, length);
      Atomics.add(this.#doorbell, 0, 1);
      Atomics.notify(this.#doorbell, 0);
      try {
        this.#write(transfer, slot.subarray(0, length));
      } catch (error) {
        const { message, code } = error as NodeJS.ErrnoException;
        this.#end(transfer, { message, code });
        return;
      }
      if (length === left) {
        this.#end(transfer);
        return;
      }
      if (length < wanted) break;
    }
    if (performance.now() - transfer.reportedAt < PROGRESS_EVERY_MS) return;
    transfer.reportedAt = performance.now();
    this.#report({ kind: 'progress', key: transfer.key });
  }

  #write(transfer: Transfer, bytes: Uint8Array): void {
    const { file, position } = transfer;
    for (let written = 0; written < bytes.byteLength; ) {
      const start = position + transfer.received + written;
      written += writeSync(file, bytes, written, bytes.byteLength - written, start);
    }
    transfer.received += bytes.byteLength;
    if (transfer.received - transfer.begun < WRITEBACK_EVERY) return;
    this.#libc.beginWriteback(file, position + transfer.begun, transfer.received - transfer.begun);
    transfer.begun = transfer.received;
  }

  #end(
    { key, socket, received }: Transfer,
    deviceError?: { message: string; code: string | undefined },
  ): void {
    this.#transfers.delete(key);
    this.#libc.close(socket);
    const { filled } = this.#ring;
    this.#report({ kind: 'ended', key, received, filled, ...(deviceError && { deviceError }) });
  }

  #report(report: IntakeReport): void {
    this.#port.postMessage(report);
  }
}

/** How many bytes came; 0 when no more will, because the client has ended or cut the connection. */
function readNow(socket: number, into: Uint8Array, length: number): number | 'nothing yet' {
  try {
    return readSync(socket, into, 0, length, null);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 'nothing yet' : 0;
  }
}

if (parentPort !== null) {
  new IntakeLoop(loadLibc(), parentPort, workerData as IntakeWorkerData).run();
}
