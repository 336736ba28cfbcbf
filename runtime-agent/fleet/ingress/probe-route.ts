import { request } from 'node:http';
import type { BackendAddress } from './ingress.ts';

/** Milliseconds for an answer. */
const TIMEOUT = 5_000;

export interface Probe extends BackendAddress {
  readonly path: string;
  /** The host name of the route, which the instance is asked for. */
  readonly host: string;
}

/** Why an instance is not healthy is a clause for people. */
export type ProbeResult = { readonly healthy: true } | { readonly healthy: false; readonly reason: string };

/**
 * Asks an instance once, past the proxy, as a client of the route would: healthy are statuses from 200 to 399. Not healthy are other
 * statuses, no connection, and no head of an answer within 5 seconds. Rejects with the signal's reason.
 */
export function probeRoute({ address, port, path, host }: Probe, signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const sent = request({
      host: address,
      port,
      path,
      headers: { host, 'user-agent': 'berth-agent', connection: 'close' },
      agent: false,
      maxHeaderSize: 32 * 1024,
    });
    const release = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      sent.destroy();
    };
    const end = (result: ProbeResult) => {
      release();
      resolve(result);
    };
    const abort = () => {
      release();
      reject(signal.reason);
    };
    const timer = setTimeout(
      () => end({ healthy: false, reason: `no answer within ${TIMEOUT} ms` }),
      TIMEOUT,
    );
    signal.addEventListener('abort', abort, { once: true });
    sent.on('error', (error: NodeJS.ErrnoException) =>
      end({ healthy: false, reason: error.code ?? error.message }),
    );
    sent.once('response', ({ statusCode = 0 }) =>
      end(
        statusCode >= 200 && statusCode < 400
          ? { healthy: true }
          : { healthy: false, reason: `it answers ${statusCode}` },
      ),
    );
    sent.end();
  });
}
