import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { wholeBodies } from './whole-bodies.ts';

const root = dirname(dirname(import.meta.dirname));

test('no stream is read into memory without a limit', () => {
  const files = globSync('{lib,oci,storage,auth,server,runtime-agent}/**/*.ts', { cwd: root });
  assert.ok(files.length > 500, `only ${files.length} files were found`);
  assert.deepEqual(
    files.flatMap((file) => wholeBodies(file, readFileSync(join(root, file), 'utf8'))),
    [],
  );
});

for (const source of [
  "import { text } from 'node:stream/consumers';",
  'const a = await response.json();',
  'const a = await (await fetch(url)).text();',
  'const a = Buffer.concat(await Array.fromAsync(run()));',
  'const a = await Array.fromAsync(response.body);',
  'const a = await readable.toArray();',
  'const a = createGrpcTransport({ baseUrl });',
  'const a = createAsyncQueue<string>(); a.push(line);',
]) {
  test(`forbidden: ${source}`, () =>
    assert.equal(wholeBodies('runtime-agent/a.ts', source).length > 0, true));
}

for (const source of [
  'const a = await readAtMost(response.body, LIMIT);',
  'const a = Buffer.concat(await Array.fromAsync(verifiedBlob(config, read())));',
  'const a = createAsyncQueue<string>(); if (a.weight < LIMIT) a.push(line);',
  'const a = Response.json(value);',
]) {
  test(`allowed: ${source}`, () => assert.deepEqual(wholeBodies('runtime-agent/a.ts', source), []));
}
