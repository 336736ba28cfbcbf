import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { longWaits } from './long-waits.ts';

const root = dirname(dirname(import.meta.dirname));

test('no test waits longer than two minutes for one thing', () => {
  const files = globSync('test/{contract,conformance,e2e,integration,support,unit}/**/*.{ts,py}', {
    cwd: root,
  });
  assert.ok(files.length > 500, `only ${files.length} files were found`);
  const long = files.flatMap((file) => longWaits(file, readFileSync(join(root, file), 'utf8')));
  assert.deepEqual(long, []);
});

for (const source of [
  'AbortSignal.timeout(300_000);',
  'const LIMIT = 5 * 60_000; AbortSignal.timeout(LIMIT);',
  'const code = `AbortSignal.timeout(280000)`;',
  'await docker(["ps"], { timeoutMs: 300_000 });',
  'const patience = { timeoutMs: 300_000 };',
  'const LIMIT = { timeout: 300_000 }; await eventually(LIMIT);',
  'const of = (timeoutMs = 600_000) => timeoutMs;',
  'const ms = options.timeoutMs ?? 900_000; const timeoutMs = options.timeoutMs ?? 900_000;',
  'await waitUntil("it is there", check, 600_000);',
  'await agent.waitForLine(/ready/, 600_000);',
  'await agent.end("SIGTERM", 600_000);',
  'for (const deadline = Date.now() + 600_000; ; ) {}',
  'await delay(200_000);',
  "run('sh', ['-c', 'timeout 300 cat']);",
  "docker(['stop', '--time', '300', 'a']);",
  'let timeoutMs = 0; timeoutMs = 300_000;',
  'await new Promise((resolve) => setTimeout(resolve, 10 * 60 * 1000));',
  'const deadline = performance.now() + 600e3;',
]) {
  test(`forbidden: ${source}`, () => {
    const [sentence = ''] = longWaits('test/a.ts', source);
    assert.match(sentence, /^test\/a\.ts:1: waits \d+ ms: use LONGEST_WAIT/);
  });
}

test('forbidden: in Python', () => {
  assert.equal(longWaits('test/a.py', 'client = docker.from_env(timeout=600)').length, 1);
});

for (const source of [
  'const options = { timeout: 900_000 }; test("a", options, () => {});',
  'describe("a", { skip: unlessRoot(), timeout: 3_600_000 }, () => {});',
  'await docker(["build"], { timeoutMs: longerWait(900_000, "it runs npm ci") });',
  'await docker(["ps"], { timeoutMs: 120_000 });',
  'const future = new Date(Date.now() + 3_600_000);',
  'takeLease(lease, 600_000);',
]) {
  test(`allowed: ${source}`, () => assert.deepEqual(longWaits('test/a.ts', source), []));
}
