import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { decompressStream } from '../../../../runtime-agent/trees/decompress-stream.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';
import { unlessRoot } from '../../../support/unless-root.ts';

const XZ = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
const BZIP2 = Buffer.from('BZh9');
const never = new AbortController().signal;

async function read(content: Buffer): Promise<string> {
  const source = (async function* () {
    yield content;
  })();
  return Buffer.concat(await Array.fromAsync(decompressStream(source, never))).toString();
}

/** Reads with other variables of the environment. */
async function readWith(variables: Readonly<Record<string, string>>, content: Buffer): Promise<string> {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    return await read(content);
  } finally {
    process.env = before;
  }
}

describe('xz and bzip2', { skip: unlessRoot() }, () => {
  it('run as nobody, with bounds and without the environment of the agent', async (t) => {
    const folder = await makeTempDir(t, 'programs');
    await chmod(folder, 0o755);
    const script = `#!/bin/sh
      cat > /dev/null; echo $(id -u) $(id -G) $(ulimit -v) $(ulimit -c)$XZ_OPT; grep NoNewPrivs /proc/self/status`;
    for (const name of ['xz', 'bzip2']) await writeFile(join(folder, name), script, { mode: 0o755 });
    const variables = { PATH: `${folder}:${process.env.PATH}`, XZ_OPT: 'of the agent' };
    const expected = `65534 65534 ${1 << 20} 0\nNoNewPrivs:\t1\n`;
    assert.equal(await readWith(variables, XZ), expected);
    assert.equal(await readWith(variables, BZIP2), expected);
  });

  it('read what they have compressed, at their best', async () => {
    const content = randomBytes(1000).toString('hex').repeat(500);
    for (const name of ['xz', 'bzip2']) {
      const { stdout } = spawnSync(name, ['-9c'], { input: content, maxBuffer: content.length });
      assert.equal(await read(stdout), content, name);
      await assert.rejects(
        read(stdout.subarray(0, 100)),
        /the (?:xz|bzip2) data are damaged: (?:xz|bzip2): /,
      );
    }
  });

  it('are named where they are missing', async (t) => {
    const folder = await makeTempDir(t, 'programs');
    await chmod(folder, 0o755);
    const missing = async (program: string) => {
      const message = `xz data cannot be read: the program ${program} is not installed on this host`;
      await assert.rejects(readWith({ PATH: folder }, XZ), { code: 'bad-request', message });
    };
    await missing('prlimit');
    await symlink('/usr/bin/prlimit', join(folder, 'prlimit'));
    await missing('setpriv');
    await symlink('/usr/bin/setpriv', join(folder, 'setpriv'));
    await missing('xz');
  });
});
