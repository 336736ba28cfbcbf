import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runBerth } from '../support/berth-command.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const NO_SUCH = 'team/none: the source has no such repository, or no tags in it';

test('backup, restore and import answer in JSON, with what was lost and what was not imported', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { manifest } = await registry.pushImage('team/app', '1');
  await registry.pushImage('team/other', '1');
  const folder = await makeTempDir(t, 'formats');
  const run = async (exitCode: number, ...args: readonly string[]) => {
    const ran = await runBerth(...args);
    assert.deepEqual([ran.exitCode, ran.stderr], [exitCode, ''], args.join(' '));
    return ran.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  };
  const backup = join(folder, 'backup');
  const back = ['backup', '--data', registry.data, '--to', backup, '--format'] as const;
  const [first, ...none] = await run(0, ...back, 'json');
  assert.deepEqual(none, []);
  assert.ok(first.blobs > 0 && first.bytes > 0);
  assert.partialDeepStrictEqual(first, { folder: backup, deleted: 0, lost: [] });
  const [again] = await run(0, ...back, 'jsonl');
  assert.deepEqual(again, { folder: backup, blobs: 0, bytes: 0, deleted: 0, lost: [] });

  const [whole] = await run(
    0,
    'restore',
    '--from',
    backup,
    '--data',
    join(folder, 'whole'),
    '--format',
    'json',
  );
  assert.deepEqual(whole, {
    folder: join(folder, 'whole'),
    blobs: first.blobs,
    bytes: first.bytes,
    lost: [],
  });
  const { digest } = manifest.config;
  const hex = digest.replace('sha256:', '');
  const shelf = join(backup, 'blobs/sha256', hex.slice(0, 2));
  const [file = '', ...others] = await readdir(shelf);
  assert.deepEqual(others, []);
  await rm(join(shelf, file));
  const part = join(folder, 'part');
  const [damaged] = await run(1, 'restore', '--from', backup, '--data', part, '--format', 'json');
  assert.partialDeepStrictEqual(damaged, { blobs: first.blobs - 1, lost: [{ digest, problem: 'missing' }] });

  const bring = (to: string, ...args: readonly string[]) =>
    ['import', '--from', registry.url, '--data', join(folder, to), ...args, '--format'] as const;
  const lines = await run(0, ...bring('lines'), 'jsonl');
  const summary = lines.pop();
  assert.partialDeepStrictEqual(summary, { repositories: 2, tags: 2, manifests: 2, problems: 0 });
  assert.deepEqual(lines.map(({ repository, tags, manifests }) => [repository, tags, manifests]).toSorted(), [
    ['team/app', 1, 1],
    ['team/other', 1, 1],
  ]);
  const missing = ['--repository', 'team/app', '--repository', 'team/none'];
  const [document, ...more] = await run(1, ...bring('document', ...missing), 'json');
  assert.deepEqual(more, []);
  assert.partialDeepStrictEqual(document, {
    tags: 1,
    problems: [NO_SUCH],
  });
  const stream = await run(1, ...bring('stream', ...missing), 'jsonl');
  assert.ok(stream.some(({ problem }) => problem === NO_SUCH));
  for (const command of [back, ['restore', '--from', backup, '--data', part, '--format'], bring('none')]) {
    const { exitCode, stderr } = await runBerth(...command, 'yaml');
    assert.equal(exitCode, 2);
    assert.match(stderr, /"yaml"/);
  }
});
