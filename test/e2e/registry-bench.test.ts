import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { longerWait } from '../support/longest-wait.ts';
import { runCommand } from '../support/run-command.ts';

const BENCH = join(import.meta.dirname, '../bench/registry.ts');

test('a short benchmark of both registries ends with its table', { timeout: 900_000 }, async () => {
  const short = ['--rounds=1', '--seconds=1', '--blob-size=10000000', '--small-blobs=20'];
  const few = ['--uploads=2', '--upload-size=10000000', '--manifests=1000'];
  const { stdout } = await runCommand(process.execPath, [BENCH, ...short, ...few], {
    timeoutMs: longerWait(850_000, 'it measures two registries with several clients'),
  });
  const rows = stdout.split('\n').filter((line) => line.startsWith('|'));
  assert.match(rows[0] ?? '', /Berth .* docker-registry .* better by/);
  for (const row of rows.slice(2)) assert.match(row, /\d \/ .*\d \/ .* \| \S+x \|$/);
  assert.equal(rows.length, 2 + 26);
});

test('the benchmark says what is missing', { timeout: 300_000 }, async () => {
  const { stderr } = await runCommand(process.execPath, [BENCH], { env: { PATH: '' }, expectExit: 2 });
  assert.match(stderr, /needs wrk and docker-registry: apt-get install wrk docker-registry/);
});
