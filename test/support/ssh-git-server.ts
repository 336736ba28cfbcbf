import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CleanupScope, defer } from './cleanup.ts';
import { freePort } from './free-port.ts';
import { startProcess } from './managed-process.ts';
import { runCommand } from './run-command.ts';

export interface SshGitServer {
  /** `127.0.0.1:PORT`; git asks there as user `root`. */
  readonly host: string;
  /** An SSH agent with the key that it lets in, for SSH_AUTH_SOCK. */
  readonly agent: string;
  /** An SSH agent without keys. */
  readonly emptyAgent: string;
}

/** Serves the repositories below a folder by SSH (dropbear), to clients with a key in an SSH agent. */
export async function startSshGitServer(scope: CleanupScope, root: string): Promise<SshGitServer> {
  // The server takes no keys from below a folder that everybody can write in, as /tmp is.
  const folder = await mkdtemp('/run/berth-ssh-');
  defer(scope, () => rm(folder, { recursive: true, force: true }));
  const keys = join(folder, 'keys');
  await mkdir(keys, { mode: 0o700 });
  const key = join(folder, 'id');
  await runCommand('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  await runCommand('sh', [
    '-c',
    `cp "${key}.pub" "${keys}/authorized_keys" && chmod 600 "${keys}/authorized_keys"`,
  ]);
  const forced = join(folder, 'serve');
  await writeFile(
    forced,
    `#!/bin/sh\ncd "${root}" || exit 1\nexport GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'\nexec git shell -c "$(echo "$SSH_ORIGINAL_COMMAND" | sed "s, '/*, ',")"\n`,
  );
  await chmod(forced, 0o755);
  const port = await freePort();
  const hostKey = join(folder, 'host');
  await runCommand('dropbearkey', ['-t', 'ed25519', '-f', hostKey]);
  const server = startProcess(scope, 'dropbear', [
    ...['-F', '-E', '-s', '-j', '-k', '-m'],
    ...['-r', hostKey, '-D', keys, '-p', `127.0.0.1:${port}`, '-P', join(folder, 'pid'), '-c', forced],
  ]);
  await server.waitForLine(/Not backgrounding/);
  const agent = await startSshAgent(scope, join(folder, 'agent'));
  await runCommand('ssh-add', ['-q', key], { env: { SSH_AUTH_SOCK: agent } });
  return { host: `127.0.0.1:${port}`, agent, emptyAgent: await startSshAgent(scope, join(folder, 'empty')) };
}

async function startSshAgent(scope: CleanupScope, socket: string): Promise<string> {
  const agent = startProcess(scope, 'ssh-agent', ['-D', '-a', socket]);
  await agent.waitForLine(/SSH_AUTH_SOCK/);
  return socket;
}
