import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec, type TestEvent } from 'node:test/reporters';
import { bundle } from '../deploy/package/bundle.ts';
import { PROGRAMS } from '../deploy/package/program-tree.ts';

/**
 * `npm test`: format and lint, types, then every test, in one run whose closing lines are those of Node's test
 * runner. `npm test -- test/unit` runs the tests below a folder or in a file only, without lint and types.
 * `npm test -- --record` also writes the durations of the files to test/durations.json, by which later runs order them.
 */
const root = dirname(import.meta.dirname);
const RECORD = '--record';
const words = process.argv.slice(2);
const selected = words.filter((word) => word !== RECORD);

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
/** The files whose durations are printed. */
const SHOWN = 30;
/** Unit tests that one process runs together. */
const UNITS_TOGETHER = 40;
/** Seconds by file. */
type Durations = Readonly<Record<string, number>>;
const DURATIONS = join(root, 'test/durations.json');
const recorded = JSON.parse(readFileSync(DURATIONS, 'utf8')) as Durations;
const patterns = selected.length > 0 ? selected : folders.map((folder) => `test/${folder}`);
const found = patterns.flatMap((pattern) =>
  pattern.endsWith('.ts') ? [pattern] : globSync(`${pattern}/**/*.test.ts`, { cwd: root }).sort(),
);
const isCheap = (file: string) => /^test\/(?:architecture|unit|contract)\//.test(file);
// Of the rest the longest first: at the end one of them would run alone. A file without a record may be one of them.
const longestFirst = (a: string, b: string) => (recorded[b] ?? Infinity) - (recorded[a] ?? Infinity) || 0;
const files = [...found.filter(isCheap), ...found.filter((file) => !isCheap(file)).sort(longestFirst)];
const isUnit = (file: string) => /^test\/(?:architecture|unit)\//.test(file);
/** Such a test replaces the process that runs it. */
const replacesProcess = (file: string) =>
  readFileSync(resolve(root, file), 'utf8').includes('enterOwnNetwork(');
const isGrouped = (file: string) => isUnit(file) && !replacesProcess(file);
if (files.length === 0) throw new Error(`no test files under ${patterns.join(', ')}`);

// More than cores: many tests wait for clocks of others, such as that of docker, whose tokens last for a minute.
const CONCURRENCY = 5;

// Test images are made once in a run and go with it, also after Ctrl-C, which the tests get too.
const images = mkdtempSync(join(tmpdir(), 'berth-test-images-'));
process.on('exit', () => rmSync(images, { recursive: true, force: true }));
process.env.BERTH_TEST_IMAGES = images;
const interruption = new AbortController();
process.once('SIGINT', () => interruption.abort());

/** Compiles both programs into `folder`, as the tests start them (support/programs.ts). */
async function compilePrograms(folder: string): Promise<void> {
  const { name, version, type } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const [program, main] of Object.entries(PROGRAMS)) {
    await bundle(root, main, join(folder, program, 'app'));
    writeFileSync(join(folder, program, 'package.json'), JSON.stringify({ name, version, type }));
  }
}

/** Writes modules that import some dozen of these files each: to start a process for every one takes longer than most of them. */
function together(units: readonly string[]): readonly string[] {
  const modules: string[] = [];
  for (let start = 0; start < units.length; start += UNITS_TOGETHER) {
    const group = units.slice(start, start + UNITS_TOGETHER);
    const module = join(images, `units-${modules.length + 1}.test.mjs`);
    writeFileSync(module, group.map((file) => `import ${JSON.stringify(resolve(root, file))};\n`).join(''));
    modules.push(module);
  }
  return modules;
}

// What several files import is compiled, types stripped, by the first of them. Not by the environment: the programs that
// the tests start keep a cache of their own.
const compiled = join(root, 'node_modules/.cache/tests');
const caching = `import { enableCompileCache } from 'node:module'; enableCompileCache(${JSON.stringify(compiled)});`;
if (selected.length === 0) {
  console.log('# compile both programs');
  // Below node_modules: they load native modules from there.
  const programs = join(root, 'node_modules/.cache/test-programs');
  rmSync(programs, { recursive: true, force: true });
  await compilePrograms(programs);
  process.env.BERTH_TEST_PROGRAMS = programs;
}
console.log('# tests');
// Not by `node --test`, which sorts the files by their names.
const results = run({
  files: [
    ...together(files.filter(isGrouped)),
    ...files.filter((file) => !isGrouped(file)).map((file) => resolve(root, file)),
  ],
  concurrency: CONCURRENCY,
  execArgv: ['--import', `data:text/javascript,${encodeURIComponent(caching)}`],
  signal: interruption.signal,
});
results.on('test:fail', () => {
  process.exitCode = 1;
});
results.compose(withDurations).compose(new spec()).pipe(process.stdout);

/** Passes all events on, and says before the closing lines which files took longest. */
async function* withDurations(events: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  const taken: Record<string, number> = {};
  for await (const event of events) {
    const { type, data } = event;
    if (type === 'test:summary' && data.file !== undefined) {
      taken[relative(root, data.file)] = Math.round(data.duration_ms / 100) / 10;
    }
    if (type === 'test:diagnostic' && data.nesting === 0 && /^tests \d+$/.test(data.message)) {
      for (const message of longestOf(taken)) yield { type, data: { ...data, message } };
      if (words.includes(RECORD)) record(taken);
    }
    yield event;
  }
}

function longestOf(taken: Durations): readonly string[] {
  const longest = Object.entries(taken).sort(([, a], [, b]) => b - a);
  return longest.slice(0, SHOWN).map(([file, seconds]) => `${seconds.toFixed(1)} s ${file}`);
}

/** Updates the record of the files that it orders, and drops those that are gone. */
function record(taken: Durations): void {
  const isOrdered = (file: string) => !isCheap(file) && existsSync(join(root, file));
  const all = Object.entries({ ...recorded, ...taken }).filter(([file]) => isOrdered(file));
  const sorted = Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(DURATIONS, `${JSON.stringify(sorted, undefined, 2)}\n`);
}
