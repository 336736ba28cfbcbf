import { eventually } from './eventually.ts';
import { sendRequest } from './http-client.ts';
import type { ManagedProcess } from './managed-process.ts';

/** Waits until a port of 127.0.0.1 is open. Throws with the output of the process if that ends first. */
export function untilItListens(port: number, process: ManagedProcess): Promise<true> {
  return eventually(`port ${port} is listened on`, async () => {
    if (process.exit() !== undefined) throw new Error(`the process has ended\n${process.output()}`);
    // Plain HTTP, also to a TLS port: any answer, or a reset, shows that somebody listens.
    return sendRequest(`http://127.0.0.1:${port}/`).then(
      () => true as const,
      (error: NodeJS.ErrnoException) => (error.code === 'ECONNREFUSED' ? undefined : true),
    );
  });
}
