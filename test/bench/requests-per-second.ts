import { MEDIA_TYPE } from '../support/oci-layout.ts';
import { runCommand } from '../support/run-command.ts';
import type { Measurement } from './measurement.ts';
import { timed } from './timed.ts';

const CONNECTIONS = 32;

/** How many GET requests for `path`, which begins with /v2/, are answered a second, by wrk over 32 connections. */
export function measureRequests(name: string, path: string, seconds: number): Measurement {
  return async (server, _round, signal) => {
    let output = '';
    const args = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--latency'];
    const target = ['-H', `Accept: ${MEDIA_TYPE.ociManifest}`, `${server.url}${path}`];
    const timing = await timed(server, signal, async () => {
      const options = { signal, timeoutMs: (seconds + 30) * 1000 };
      output = (await runCommand('wrk', [...args, ...target], options)).stdout;
    });
    if (/Non-2xx|Socket errors/.test(output)) throw new Error(`${server.name} failed under wrk:\n${output}`);
    const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]);
    return [
      { name, unit: 'requests/s', better: 'higher', value: perSecond },
      { name, unit: 'p99 ms', better: 'lower', value: milliseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(output)) },
      { name, unit: 'peak RSS MB', better: 'lower', value: timing.peakRssBytes / 1e6 },
    ];
  };
}

function milliseconds(match: RegExpExecArray | null): number {
  const [, value, unit] = match ?? [];
  return Number(value) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1);
}
