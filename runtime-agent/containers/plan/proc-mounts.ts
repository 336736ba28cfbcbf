import { EngineError } from '../../errors.ts';

/** Files of /proc that a container may see its own of, as lxcfs makes them; the same as runc allows. */
const REPLACEABLE: ReadonlySet<string> = new Set(
  [
    'cpuinfo',
    'diskstats',
    'meminfo',
    'stat',
    'swaps',
    'uptime',
    'loadavg',
    'slabinfo',
    'net/dev',
    'sys/kernel/ns_last_pid',
    'sys/crypto/fips_enabled',
  ].map((name) => `/proc/${name}`),
);

/**
 * Refuses a mount that would put something else in the place of /proc or of what is in it: runtimes write there what confines
 * the process, and programs trust what they read. `destination` is clean, and without links. Throws EngineError 'bad-request',
 * worded as runc words it for dockerd.
 */
export function refuseOverProc(destination: string, source: string, isProcSource: () => boolean): void {
  const at = `error mounting ${JSON.stringify(source)} to rootfs at "${destination}": "${destination}" cannot be mounted because`;
  if (destination === '/proc') {
    if (!isProcSource()) throw new EngineError('bad-request', `${at} it is not of type proc`);
    return;
  }
  if (!destination.startsWith('/proc/') || REPLACEABLE.has(destination)) return;
  throw new EngineError('bad-request', `${at} it is inside /proc`);
}
