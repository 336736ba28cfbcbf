import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Extraction } from '../../../../runtime-agent/snapshots/unpacked/extraction.ts';
import { eventually } from '../../../support/eventually.ts';
import { runCommand } from '../../../support/run-command.ts';
import { writeTar } from '../../../support/tar-writer.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';
import { unlessRoot } from '../../../support/unless-root.ts';

const PROGRAM = join(import.meta.dirname, '../../../../runtime-agent/snapshots/unpacked/extract-main.ts');

test('what the program keeps of itself, compiled, gets into no layer', { skip: unlessRoot() }, async (t) => {
  const folder = await makeTempDir(t, 'extraction');
  const cache = join(folder, 'cache');
  const extract = async (name: string, tar: Buffer) => {
    const tree = join(folder, name);
    await mkdir(tree);
    const env = { NODE_COMPILE_CACHE: cache };
    await runCommand(process.execPath, [PROGRAM, tree], { env, input: tar });
    return tree;
  };
  await extract('first', writeTar([]));
  const [version = ''] = await readdir(cache);
  assert.notDeepEqual(await readdir(join(cache, version)), []);

  // As long as there is nothing in it, all would be kept, now in the folder of that name in the layer.
  await rm(join(cache, version), { recursive: true });
  const parts = join(cache, version).split('/').slice(1);
  const folders = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
  const tree = await extract('second', writeTar(folders.map((name) => ({ name, type: 'directory' }))));
  assert.deepEqual(await readdir(join(tree, cache, version)), []);
  assert.notDeepEqual(await readdir(join(cache, version)), []);
});

test('the program has no network and no rights but those that the files of a layer need', {
  skip: unlessRoot(),
}, async (t) => {
  const tree = join(await makeTempDir(t, 'extraction'), 'tree');
  await mkdir(tree);
  const extraction = new Extraction(undefined, tree);
  t.after(() => extraction.stop());
  const pid = await eventually('the program is in its tree', async () => {
    for (const child of await childrenOf(process.pid)) {
      if ((await readlink(`/proc/${child}/root`).catch(() => '')) === tree) return child;
    }
    return undefined;
  });
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)$`, 'm').exec(status)?.[1];
  const { stdout } = await runCommand('capsh', [`--decode=${field('CapEff')}`]);
  assert.equal(
    stdout.trim().split('=')[1],
    'cap_chown,cap_dac_override,cap_fowner,cap_fsetid,cap_sys_chroot,cap_sys_admin,cap_mknod,cap_setfcap',
  );
  assert.equal(field('CapBnd'), field('CapEff'));
  assert.equal(field('NoNewPrivs'), '1');
  for (const namespace of ['mnt', 'net', 'ipc', 'uts']) {
    const own = await readlink(`/proc/self/ns/${namespace}`);
    assert.notEqual(await readlink(`/proc/${pid}/ns/${namespace}`), own, namespace);
  }
  await extraction.write(writeTar([{ name: 'file', type: 'file', content: 'x' }]));
  await extraction.finish();
  assert.deepEqual(await readdir(tree), ['file']);
});

async function childrenOf(pid: number): Promise<readonly string[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const read = async (thread: string) =>
    (await readFile(`/proc/${pid}/task/${thread}/children`, 'latin1').catch(() => '')).split(' ');
  return (await Promise.all(threads.map(read))).flat().filter((child) => child !== '');
}
