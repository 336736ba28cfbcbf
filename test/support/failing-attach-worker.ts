import { parentPort } from 'node:worker_threads';
import type { AttachReport } from '../../runtime-agent/containers/attach/attach-messages.ts';

/*
 * The thread that serves attached clients, and fails as BERTH_TEST_ATTACH says when it is started: `start`, at once; `output`,
 * at the first output of a container; `exit`, by ending at the first connection. Otherwise it serves as it should.
 */

const fails = process.env.BERTH_TEST_ATTACH;
if (fails === 'start') throw new Error('it cannot start');
if (parentPort !== null && fails !== undefined) {
  const port = parentPort;
  const send = port.postMessage.bind(port);
  const postMessage = (report: AttachReport, transfer: ArrayBuffer[]) => {
    if (fails === 'output' && report.kind === 'output') throw new Error('it broke');
    send(report, transfer);
    if (fails === 'exit' && report.kind === 'opened') process.exit(3);
  };
  Object.assign(port, { postMessage });
}
await import('../../runtime-agent/containers/attach/attach-worker.ts');
