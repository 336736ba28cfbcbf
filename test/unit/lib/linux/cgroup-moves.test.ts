import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { CgroupMoves } from '../../../../lib/linux/cgroups/cgroups.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';
import { waitUntil } from '../../../support/wait-until.ts';

const OWN = String(process.pid);
const MEMBERS = `${'1'.repeat(OWN.length)}\n${OWN}\n`;

async function makeGroup(root: string, path: string, members: string): Promise<string> {
  await mkdir(join(root, path), { recursive: true });
  const file = join(root, path, 'cgroup.procs');
  await writeFile(file, members);
  return file;
}

describe('CgroupMoves', () => {
  it('moves this process to where it is, and follows it when somebody has moved it', async (t) => {
    const root = await makeTempDir(t, 'cgroup-moves');
    const elsewhere = await makeGroup(root, 'pids/jobs', '1\n2\n');
    const first = await makeGroup(root, 'systemd/agent', MEMBERS);
    const second = await makeGroup(root, 'systemd/other', MEMBERS);
    let groups = '9:pids:/jobs\n4:name=systemd:/agent\n0::/\n';
    const moves = new CgroupMoves({ root, version: 1, swapLimit: false }, () => groups);
    t.after(() => moves.close());
    moves.expect();
    await waitUntil('it is moved', async () => (await readFile(first, 'latin1')).startsWith(OWN));
    assert.equal(await readFile(elsewhere, 'latin1'), '1\n2\n');
    groups = '9:pids:/jobs\n4:name=systemd:/other\n0::/\n';
    await waitUntil('it is moved there too', async () => {
      moves.expect();
      return (await readFile(second, 'latin1')).startsWith(OWN);
    });
  });

  it('leaves version 2 alone, and hosts whose groups it cannot find', async (t) => {
    const root = await makeTempDir(t, 'cgroup-moves');
    const file = await makeGroup(root, 'systemd', MEMBERS);
    const groups = () => '4:name=systemd:/\n';
    new CgroupMoves({ root, version: 2, swapLimit: false }, groups).expect();
    new CgroupMoves({ root, version: 1, swapLimit: false }, () => '4:name=systemd:/gone\n').expect();
    const moves = new CgroupMoves({ root, version: 1, swapLimit: false }, () => {
      throw new Error('no /proc');
    });
    moves.expect();
    moves.close();
    assert.equal(await readFile(file, 'latin1'), MEMBERS);
  });
});
