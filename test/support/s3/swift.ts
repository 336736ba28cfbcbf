import { join } from 'node:path';
import type { CleanupScope } from '../cleanup.ts';
import { freePort } from '../free-port.ts';
import { startProcess } from '../managed-process.ts';
import { makeTempDir } from '../temp-dir.ts';
import { waitUntil } from '../wait-until.ts';
import type { S3Server } from './s3-server.ts';

const USER = 'test:tester';
const SECRET = 'testsecret';

/**
 * Starts OpenStack's Swift with its S3 interface (package python3-swift) in one process, on loopback, over a fresh
 * folder: another implementation than Ceph's, without conditional requests. Parts of any size are taken.
 */
export async function startSwift(scope: CleanupScope): Promise<S3Server> {
  const directory = await makeTempDir(scope, 'swift');
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()];
  const program = join(import.meta.dirname, 'swift-server.py');
  const running = startProcess(scope, '/usr/bin/python3', [
    program,
    directory,
    USER,
    SECRET,
    ...ports.map(String),
  ]);
  const endpoint = `http://127.0.0.1:${ports[0]}`;
  await waitUntil('Swift answers', async () => {
    if (running.exit() !== undefined) throw new Error(`Swift has ended\n${running.output()}`);
    return fetch(`${endpoint}/healthcheck`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return {
    name: 'Swift',
    endpoint,
    env: { AWS_ACCESS_KEY_ID: USER, AWS_SECRET_ACCESS_KEY: SECRET },
  };
}
