import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readFleetCommand } from '../../../../runtime-agent/fleet/read-fleet-command.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

test('the join token may lie in a file, so that no other user of the machine sees it', async (t) => {
  const file = join(await makeTempDir(t, 'join'), 'token');
  const token = 'bjt_'.padEnd(47, 'x');
  await writeFile(file, `${token}\n`);
  const args = ['https://registry.example'];
  const read = readFleetCommand('join', args, { BERTH_JOIN_TOKEN_FILE: file });
  assert.equal(read.kind === 'join' && read.token.secret, token);
  assert.throws(() => readFleetCommand('join', args, {}), /usage: /);
  assert.throws(
    () => readFleetCommand('join', args, { BERTH_JOIN_TOKEN_FILE: `${file}.gone` }),
    /the join token cannot be read: ENOENT/,
  );
});
