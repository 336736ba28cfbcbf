import { randomBytes } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { type CleanupScope, defer } from './cleanup.ts';
import { runCommand } from './run-command.ts';

/** Another host for networks: a namespace with a cable to this one. */
export interface SecondHost {
  /** What runs a program there: before its name. */
  readonly enter: readonly string[];
  /** `HOST:PORT` by which it reaches what listens on 127.0.0.1 of this one. */
  reach(port: number): Promise<string>;
}

/** Of this host, at its end of the cable. */
export const CABLE_ADDRESS = '10.98.0.1';
const THERE = '10.98.0.2';

/** Makes a network namespace that ends with `scope`. The test is in one of its own. Needs root. */
export async function makeSecondHost(scope: CleanupScope): Promise<SecondHost> {
  const name = `berth-test-${randomBytes(4).toString('hex')}`;
  const ip = (...args: readonly string[]) => runCommand('ip', args);
  await ip('netns', 'add', name);
  defer(scope, async () => {
    await ip('netns', 'delete', name);
  });
  await ip('link', 'add', 'second0', 'type', 'veth', 'peer', 'name', 'cable0', 'netns', name);
  await ip('addr', 'add', `${CABLE_ADDRESS}/30`, 'dev', 'second0');
  await ip('link', 'set', 'second0', 'up');
  await ip('-n', name, 'addr', 'add', `${THERE}/30`, 'dev', 'cable0');
  await ip('-n', name, 'link', 'set', 'cable0', 'up');
  await ip('-n', name, 'link', 'set', 'lo', 'up');
  return {
    enter: ['nsenter', `--net=/run/netns/${name}`, '--'],
    reach: async (port) => {
      const relay = createServer((socket) => {
        const target = connect(port, '127.0.0.1');
        for (const end of [socket, target]) end.on('error', () => end.destroy());
        socket.pipe(target).pipe(socket);
      });
      await new Promise<void>((resolve) => relay.listen(port, CABLE_ADDRESS, resolve));
      defer(scope, () => {
        relay.close();
      });
      return `${CABLE_ADDRESS}:${port}`;
    },
  };
}
