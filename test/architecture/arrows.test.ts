import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { forbiddenImports } from './arrows.ts';
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
  ['server/registry/tags.ts', "import knex from 'knex';"],
  ['server/registry/blobs.ts', "import {\n  open,\n} from 'node:fs/promises';"],
  ['storage/blobs/blob-store.ts', "import 'koa';"],
  ['runtime-agent/containers/lifecycle.ts', "import koffi from 'koffi';"],
] as const) {
  test(`forbidden: ${file}: ${line.replaceAll('\n', ' ')}`, () => {
    assert.equal(forbiddenImports(importsOf(file, line)).length > 0, true);
  });
}

test('source files stay small, export no default and ignore no type error', () => {
  const offences = globSync('{lib,oci,server,storage,auth,runtime-agent,deploy}/**/*.ts', {
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
