import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const FOLDER = join(import.meta.dirname, '../../runtime-agent/builder/buildkit/proto');

test('what is generated of the .proto files is what they say now', async (t) => {
  const fresh = await makeTempDir(t, 'protobuf');
  await runCommand('sh', [join(FOLDER, 'generate.sh'), fresh]);
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith('_pb.ts')).sort();
  assert.deepEqual((await readdir(fresh)).sort(), names);
  for (const name of names) {
    const [written, kept] = await Promise.all([
      readFile(join(fresh, name), 'utf8'),
      readFile(join(FOLDER, name), 'utf8'),
    ]);
    assert.equal(written, kept, `${name} is not of its .proto file: npm run protobuf writes it anew`);
  }
});
