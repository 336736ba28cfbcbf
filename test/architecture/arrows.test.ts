import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { forbiddenImports, importCycles } from './arrows.ts';
import { importsOf, readImports } from './imports.ts';

const root = dirname(dirname(import.meta.dirname));

test('no import of the project runs against the arrows', () => {
  const imports = readImports(root);
  assert.ok(imports.length > 100, `only ${imports.length} imports were found`);
  assert.deepEqual(forbiddenImports(imports), []);
});

for (const [file, line] of [
  ['storage/blobs/blob-store.ts', "import { createApp } from '../../server/app.ts';"],
  ['oci/digest.ts', "import type { Page } from '../catalog/knex-catalog.ts';"],
  ['auth/access.ts', "import type { Catalog } from '../storage/catalog/catalog.ts';"],
  ['server/app.ts', "import { Agent } from '../runtime-agent/main.ts';"],
  ['runtime-agent/main.ts', "export { config } from '../server/config/config.ts';"],
  ['server/main.ts', "const kit = await import('../test/support/temp-dir.ts');"],
  ['server/registry/lists.ts', "import knex from 'knex';"],
  ['server/registry/blobs.ts', "import {\n  open,\n} from 'node:fs/promises';"],
  ['storage/blobs/blob-store.ts', "import 'koa';"],
  ['runtime-agent/containers/lifecycle.ts', "import koffi from 'koffi';"],
] as const) {
  test(`forbidden: ${file}: ${line.replaceAll('\n', ' ')}`, () => {
    assert.equal(forbiddenImports(importsOf(file, line)).length > 0, true);
  });
}

test('no folder or file of the sources is in a cycle of imports', () => {
  assert.deepEqual(importCycles(readImports(root)), []);
});

for (const { what, lines, expected } of [
  {
    what: 'two folders, by files that are in no cycle themselves',
    lines: [
      ['lib/a/one.ts', "import { two } from '../b/two.ts';"],
      ['lib/b/three.ts', "import { four } from '../a/four.ts';"],
      ['lib/b/three.ts', "import { five } from '../a/five.ts';"],
    ],
    expected: [{ level: 'lib', entries: ['a', 'b'], closedBy: ['lib/a/one.ts imports lib/b/two.ts'] }],
  },
  {
    what: 'a file and a folder beside it, by a type',
    lines: [
      ['server/app.ts', "import { headers } from './http/headers.ts';"],
      ['server/app.ts', "import { router } from './http/router.ts';"],
      ['server/http/router.ts', "import type { App } from '../app.ts';"],
    ],
    expected: [
      {
        level: 'server',
        entries: ['app.ts', 'http'],
        closedBy: ['server/http/router.ts imports server/app.ts'],
      },
    ],
  },
  {
    what: 'three files deep down, one of them loaded later',
    lines: [
      ['storage/gc/sweep/a.ts', "import { b } from './b.ts';"],
      ['storage/gc/sweep/b.ts', "const c = await import('./c.ts');"],
      ['storage/gc/sweep/c.ts', "export { a } from './a.ts';"],
    ],
    expected: [
      {
        level: 'storage/gc/sweep',
        entries: ['a.ts', 'b.ts', 'c.ts'],
        closedBy: ['storage/gc/sweep/a.ts imports storage/gc/sweep/b.ts'],
      },
    ],
  },
  {
    what: 'none: two ways to one file, and tests',
    lines: [
      ['oci/a.ts', "import { b } from './b.ts';\nimport { c } from './c.ts';"],
      ['oci/b.ts', "import { c } from './c.ts';"],
      ['test/support/a.ts', "import { b } from './b.ts';"],
      ['test/support/b.ts', "import { a } from './a.ts';"],
    ],
    expected: [],
  },
] as const) {
  test(`cycle: ${what}`, () => {
    assert.deepEqual(importCycles(lines.flatMap(([file, text]) => importsOf(file, text))), expected);
  });
}

test('source files stay small, export no default and ignore no type error', () => {
  const offences = globSync('{lib,oci,server,storage,auth,fleet,runtime-agent,deploy}/**/*.ts', {
    cwd: root,
  }).flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const lines = text.split('\n').length;
    return [
      ...(lines > 400 && !file.endsWith('_pb.ts')
        ? [`${file} has ${lines} lines: one file owns one thing`]
        : []),
      ...(/^export default\b/m.test(text) ? [`${file} has a default export`] : []),
      ...(/@ts-(ignore|nocheck|expect-error)/.test(text) ? [`${file} silences the type checker`] : []),
      ...(/\b(TODO|FIXME|XXX)\b/.test(text) ? [`${file} has a left-over note`] : []),
      ...(file.endsWith('/index.ts') ? [`${file} is a barrel`] : []),
    ];
  });
  assert.deepEqual(offences, []);
});
