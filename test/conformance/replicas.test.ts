import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { runBerth } from '../support/berth-command.ts';
import { TEST_CACHE } from '../support/compile-cache.ts';
import { CONFORMANCE_URL } from '../support/conformance-registry.ts';
import { startPostgres } from '../support/postgres.ts';
import { startReplicas } from '../support/replicas.ts';
import { runCommand } from '../support/run-command.ts';
import { startCeph } from '../support/s3/ceph-rgw.ts';
import { makeBucket, storageUrl, useCredentials } from '../support/s3/s3-server.ts';

const folder = import.meta.dirname;
/** The suite; the others check that it is complete and run it elsewhere. */
const APART = ['replicas.test.ts', 'rules.test.ts'];

const postgres = await startPostgres({ after });

async function passesThroughThree(t: TestContext, storage?: string): Promise<void> {
  const replicas = await startReplicas(t, { postgres, ...(storage !== undefined && { storage }) });
  const files = (await readdir(folder)).filter((name) => name.endsWith('.test.ts') && !APART.includes(name));
  for (const file of files) {
    // A test of Node's runner within another would report to that.
    const clean = ['-u', 'NODE_TEST_CONTEXT', process.execPath, join(folder, file)];
    const { stdout } = await runCommand('env', clean, {
      env: { ...TEST_CACHE, [CONFORMANCE_URL]: replicas.url },
    });
    t.diagnostic(`${file}: ${/pass \d+/.exec(stdout)?.[0]}`);
  }
  for (const [index, count] of replicas.counts.entries()) {
    assert.ok(count > 20, `server ${index} got ${count} requests`);
  }
  const checked = await runBerth('fsck', ...replicas.where);
  assert.equal(checked.exitCode, 0, checked.stdout + checked.stderr);
}

test('the suite, through a load balancer over three registries on PostgreSQL and one folder', (t) =>
  passesThroughThree(t));

test('the suite, through a load balancer over three registries on PostgreSQL and S3', async (t) => {
  const s3 = await startCeph(t);
  useCredentials(s3);
  await makeBucket(s3, 'conformance');
  await passesThroughThree(t, storageUrl(s3.endpoint, 'conformance', 'registry'));
});
