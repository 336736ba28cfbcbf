import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
import { type ManagedProcess, startProcess } from './managed-process.ts';
import { makeTempDir } from './temp-dir.ts';

export interface ForwardProxy {
  /** `HOST:PORT`. */
  readonly address: string;
  /** Its log holds each address that it was asked for. */
  readonly process: ManagedProcess;
}

/** Starts Debian's tinyproxy on an address of this host, with a login. */
export async function startTinyproxy(
  scope: CleanupScope,
  host: string,
  login: { readonly user: string; readonly password: string },
): Promise<ForwardProxy> {
  const port = await freePort();
  const config = join(await makeTempDir(scope, 'tinyproxy'), 'tinyproxy.conf');
  const lines = [
    `Port ${port}`,
    `Listen ${host}`,
    `BasicAuth ${login.user} ${login.password}`,
    'LogLevel Info',
  ];
  await writeFile(config, `${lines.join('\n')}\nMaxClients 100\nTimeout 600\n`);
  const process = startProcess(scope, 'tinyproxy', ['-d', '-c', config]);
  await eventually('the proxy listens', () => {
    if (process.exit() !== undefined) throw new Error(`tinyproxy has ended\n${process.output()}`);
    return new Promise<true | undefined>((resolve) => {
      const socket = connect(port, host, () => resolve(true)).on('error', () => resolve(undefined));
      socket.on('connect', () => socket.destroy());
    });
  });
  return { address: `${host}:${port}`, process };
}
