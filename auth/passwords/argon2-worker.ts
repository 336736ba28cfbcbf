import { argon2Sync } from 'node:crypto';
import { parentPort } from 'node:worker_threads';

// argon2 runs only here: the threads of Node's own pool read and write files, and must stay free.
parentPort?.on('message', (request: Argon2Request) => parentPort?.postMessage(derive(request)));

function derive({ id, password, salt, tagLength, memory, passes, parallelism }: Argon2Request): Argon2Report {
  try {
    const parameters = { message: password, nonce: salt, tagLength, memory, passes, parallelism };
    return { id, tag: argon2Sync('argon2id', parameters) };
  } catch (error) {
    return { id, failure: (error as Error).message };
  }
}

/** Cost parameters of argon2id (RFC 9106, section 3.1). */
export interface Argon2Cost {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** One run of argon2id. */
export interface Argon2Request extends Argon2Cost {
  readonly id: number;
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  /** Bytes. */
  readonly tagLength: number;
}

export type Argon2Report =
  | { readonly id: number; readonly tag: Uint8Array }
  | { readonly id: number; readonly failure: string };
