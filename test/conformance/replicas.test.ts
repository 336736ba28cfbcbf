import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CONFORMANCE_URL } from '../support/conformance-registry.ts';
import { startReplicas } from '../support/replicas.ts';
import { runCommand } from '../support/run-command.ts';

const folder = import.meta.dirname;
/** The suite; the others check that it is complete and run it elsewhere. */
const APART = ['replicas.test.ts', 'rules.test.ts'];

test('the suite, through a load balancer over three registries on one PostgreSQL', async (t) => {
  const replicas = await startReplicas(t);
  const files = (await readdir(folder)).filter((name) => name.endsWith('.test.ts') && !APART.includes(name));
  for (const file of files) {
    // A test of Node's runner within another would report to that.
    const env = { ...process.env, [CONFORMANCE_URL]: replicas.url };
    const clean = ['-u', 'NODE_TEST_CONTEXT', process.execPath, join(folder, file)];
    const { stdout } = await runCommand('env', clean, { env });
    t.diagnostic(`${file}: ${/^# pass \d+|^ℹ pass \d+/m.exec(stdout)?.[0]}`);
  }
  for (const [index, count] of replicas.counts.entries())
    assert.ok(count > 20, `server ${index} got ${count} requests`);
});
