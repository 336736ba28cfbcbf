import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

/**
 * `npm test`: format and lint, types, then every test, in one run whose closing lines are those of Node's test
 * runner. `npm test -- test/unit` runs the tests below a folder or in a file only, without lint and types.
 */
const root = dirname(import.meta.dirname);
const selected = process.argv.slice(2);

function check(title: string, command: string, args: readonly string[]): void {
  console.log(`# ${title}`);
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (result.error) throw result.error;
  if (result.status !== 0) process.exit(result.status ?? 1);
}

if (selected.length === 0) {
  const bin = join(root, 'node_modules/.bin');
  check('format and lint', join(bin, 'biome'), ['ci', '--colors=off', '.']);
  check('types', join(bin, 'tsc'), ['--noEmit']);
}

// The cheap tests first: a mistake in a rule shows before a daemon is started.
const folders = ['architecture', 'unit', 'contract', 'conformance', 'integration', 'e2e'];
// Of the rest those that take minutes, most of which they wait: at the end one of them would run alone.
const LONG = [
  'e2e/registry-token-expiry',
  'e2e/rolling-restart',
  'e2e/agent-builds-berth',
  'e2e/agent-compose',
  'e2e/agent-build-like-buildah',
  'e2e/agent-build-kills',
  'integration/registry-stop-postgres',
  'conformance/replicas',
].map((name) => `test/${name}.test.ts`);
const patterns = selected.length > 0 ? selected : folders.map((folder) => `test/${folder}`);
const found = patterns.flatMap((pattern) =>
  pattern.endsWith('.ts') ? [pattern] : globSync(`${pattern}/**/*.test.ts`, { cwd: root }).sort(),
);
const isCheap = (file: string) => /^test\/(?:architecture|unit|contract)\//.test(file);
const files = [
  ...found.filter(isCheap),
  ...LONG.filter((file) => found.includes(file)),
  ...found.filter((file) => !isCheap(file) && !LONG.includes(file)),
];
if (files.length === 0) throw new Error(`no test files under ${patterns.join(', ')}`);

// Two cores and more: many tests wait for others' clocks, such as that of docker, whose tokens last for a minute.
const CONCURRENCY = 3;

// Test images are made once in a run and go with it, also after Ctrl-C, which the tests get too.
const images = mkdtempSync(join(tmpdir(), 'berth-test-images-'));
process.on('exit', () => rmSync(images, { recursive: true, force: true }));
process.env.BERTH_TEST_IMAGES = images;
const interruption = new AbortController();
process.once('SIGINT', () => interruption.abort());

// What several files import is compiled, types stripped, by the first of them. Not by the environment: the programs that
// the tests start keep a cache of their own.
const compiled = join(root, 'node_modules/.cache/tests');
const caching = `import { enableCompileCache } from 'node:module'; enableCompileCache(${JSON.stringify(compiled)});`;
console.log('# tests');
// Not by `node --test`, which sorts the files by their names.
const results = run({
  files: files.map((file) => resolve(root, file)),
  concurrency: CONCURRENCY,
  execArgv: ['--import', `data:text/javascript,${encodeURIComponent(caching)}`],
  signal: interruption.signal,
});
results.on('test:fail', () => {
  process.exitCode = 1;
});
results.compose(new spec()).pipe(process.stdout);
