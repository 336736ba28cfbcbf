import { parentPort, workerData } from 'node:worker_threads';
import { loadLibc } from '../libc.ts';
import { TransferLoop } from '../transfer-loop.ts';
import type { SendfileCommand, SendfileReport, SendfileWorkerData } from './sendfile-messages.ts';
import { FileSending, Relaying, SendingProgress } from './sendfile-transfers.ts';

/** The thread that sends all large bodies. */
if (parentPort !== null) {
  const port = parentPort;
  const libc = loadLibc();
  const loop = new TransferLoop<SendfileCommand>(libc, port, (workerData as SendfileWorkerData).wakeFd);
  const progressOf = (key: number) =>
    new SendingProgress(key, (report: SendfileReport) => {
      if (report.kind === 'ended') loop.forget(key);
      port.postMessage(report);
    });
  loop.run((command) => {
    if (command.kind === 'send') {
      loop.begin(command.key, new FileSending(libc, command, progressOf(command.key)));
    } else if (command.kind === 'relay') {
      loop.begin(command.key, new Relaying(libc, command, progressOf(command.key)));
    } else if (command.kind === 'cancel') loop.cancel(command.key);
    else loop.stop();
  });
}
