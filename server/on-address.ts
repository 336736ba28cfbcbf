import { http } from '../lib/http/node-http.ts';
import { ConfigError } from '../lib/settings/config-error.ts';
import type { ListenAddress } from './config/addresses.ts';
import { listen } from './http/listen.ts';

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not listen on ports below 1024: choose another port, or run it with that right',
  EADDRINUSE: 'the address is in use by another program: stop that, or choose another port',
  EADDRNOTAVAIL: 'this machine has no such address: choose one of its own, or 0.0.0.0 for all networks',
  ENOTFOUND:
    'there is no address of this name: write an address of this machine, or 0.0.0.0 for all networks',
};

/** Runs what listens on an address; throws ConfigError when the system refuses it. */
export async function onAddress<Result>(
  address: ListenAddress,
  work: (address: ListenAddress) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(address);
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    const why = REASONS[code] ?? `the system says ${code}`;
    throw new ConfigError(`cannot listen on ${address.host}:${address.port}: ${why}`, { cause });
  }
}

/** Finds out whether an address can be listened on, before there is anything to say there. Throws ConfigError. */
export async function tryAddress(address: ListenAddress): Promise<void> {
  await onAddress(address, async (to) => {
    const server = http.createServer();
    await listen(server, to);
    await new Promise((resolve) => server.close(resolve));
  });
}
