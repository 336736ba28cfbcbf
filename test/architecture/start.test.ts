import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { importsOf, loadedWith, readImports } from './imports.ts';

const root = dirname(dirname(import.meta.dirname));
const imports = readImports(root);

/** As modules they take 20 to 50 ms of every start: they have all that Node knows of TLS and of fetch with them. */
const DEAR = ['node:http', 'node:https', 'node:http2', 'node:tls'];

for (const [program, file, packages] of [
  ['berth', 'server/cli/serve.ts', ['better-sqlite3', 'knex', 'koa', 'koffi', 'pino']],
  ['a command of berth about accounts', 'server/cli/user.ts', ['better-sqlite3', 'knex', 'koffi']],
  ['a command of berth about apps', 'server/cli/fleet/apps.ts', []],
  ['berth-agent', 'runtime-agent/cli/run-agent.ts', ['knex', 'koa', 'koffi', 'pino']],
] as const) {
  test(`${program} loads at its start what it always needs`, () => {
    const loaded = [...loadedWith(file, imports)];
    assert.ok(loaded.length > 20, `only ${loaded.length} files and packages were found`);
    const others = loaded.filter((name) => !name.endsWith('.ts') && !name.endsWith('.json'));
    assert.deepEqual(others.filter((name) => !name.startsWith('node:')).sort(), packages);
    assert.deepEqual(
      DEAR.filter((name) => others.includes(name)),
      [],
    );
  });
}

test('berth loads no code of pages at its start but what decides whether a request is for one', () => {
  const loaded = [...loadedWith('server/cli/serve.ts', imports)];
  const pages = loaded.filter((file) => /^server\/(?:page|markup)\//.test(file));
  assert.deepEqual(pages, ['server/page/answer-browsers.ts']);
});

test('neither program loads at its start what sends traces', () => {
  for (const file of ['server/cli/serve.ts', 'runtime-agent/cli/run-agent.ts']) {
    const loaded = [...loadedWith(file, imports)].filter((name) => name.startsWith('lib/tracing/'));
    assert.deepEqual(loaded.sort(), [
      'lib/tracing/sampler.ts',
      'lib/tracing/start-tracing.ts',
      'lib/tracing/trace.ts',
    ]);
  }
});

test('what is only a type, and what import() asks for, is not loaded at once', () => {
  const text = [
    "import type { A } from './a.ts';",
    "export type { B } from './b.ts';",
    "import { type C, c } from './c.ts';",
    "const { d } = await import('./d.ts');",
  ].join('\n');
  const made = [...importsOf('one.ts', text), ...importsOf('c.ts', "import 'pg';")];
  assert.deepEqual([...loadedWith('one.ts', made)], ['one.ts', 'c.ts', 'pg']);
});

test('each program compiles into a cache of its own: V8 throws away what was compiled under other flags', () => {
  const caches = ['server', 'runtime-agent'].map((folder) => {
    const command = folder === 'server' ? 'cli/berth' : 'cli/berth-agent';
    const [inMain, inCommand] = ['main.ts', command].map((file) => {
      const text = readFileSync(join(root, folder, file), 'utf8');
      return /node_modules\/\.cache\/([a-z-]+)/.exec(text)?.[1];
    });
    assert.equal(inMain, inCommand, folder);
    return inMain;
  });
  assert.equal(new Set(caches).size, 2, `${caches}`);
});
