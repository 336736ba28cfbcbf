import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gitOutput } from '../../../../../runtime-agent/builder/context/git/run-git.ts';
import { makeTempDir } from '../../../../support/temp-dir.ts';

test('a repository with endless references is not held in memory', async (t) => {
  const folder = await makeTempDir(t, 'git-output');
  const place = { folder, files: folder, limit: 1 << 20, env: { PATH: `${folder}:${process.env.PATH}` } };
  const git = join(folder, 'git');
  await writeFile(git, '#!/bin/sh\nexec head -c 50000000 /dev/zero\n');
  await chmod(git, 0o755);
  await assert.rejects(gitOutput(place, ['ls-remote'], t.signal), /git answers more than \d+ bytes/);
});
