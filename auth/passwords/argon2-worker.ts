import { argon2Sync } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { Argon2Report, Argon2Request } from './argon2-messages.ts';

// The only place that runs argon2: the threads of Node's own pool read and write files, and must stay free.
parentPort?.on('message', (request: Argon2Request) => parentPort?.postMessage(derive(request)));

function derive({ id, password, salt, tagLength, memory, passes, parallelism }: Argon2Request): Argon2Report {
  try {
    const parameters = { message: password, nonce: salt, tagLength, memory, passes, parallelism };
    return { id, tag: argon2Sync('argon2id', parameters) };
  } catch (error) {
    return { id, failure: (error as Error).message };
  }
}
