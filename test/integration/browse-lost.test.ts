import assert from 'node:assert/strict';
import { globSync, truncateSync, unlinkSync } from 'node:fs';
import { after, test } from 'node:test';
import { describedCalls } from '../support/described-calls.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';

const registry = await startInProcessRegistry({ after });

test('content that is lost or cut on the disk is a sentence in the answer, and no failure', async () => {
  await registry.pushImage('team/lost', '1');
  await registry.pushImage('team/cut', '1');
  await registry.stop();
  const files = globSync('blobs/sha256/*/*', { cwd: registry.data });
  assert.ok(files.length >= 3, String(files));
  for (const [harm, expected] of [
    [(file: string) => truncateSync(file, 1), /damaged|bytes/],
    [(file: string) => unlinkSync(file), /no blob|missing|not there/],
  ] as const) {
    for (const file of files) harm(`${registry.data}/${file}`);
    const again = await startInProcessRegistry({ after }, { data: registry.data });
    const { call } = await describedCalls(again);
    for (const name of ['team%2Flost', 'team%2Fcut']) {
      const { status, json } = await call(undefined, 'GET', `/repositories/${name}/manifests/1`);
      assert.equal(status, 200, JSON.stringify(json));
      assert.match(json.problem, expected);
      assert.equal((await call(undefined, 'GET', `/repositories/${name}`)).status, 200);
      const difference = `/repositories/${name}/difference?from=1&to=1`;
      assert.equal((await call(undefined, 'GET', difference)).status, 400);
      const dry = `/repositories/${name}/manifests/1?dry-run=true`;
      assert.equal((await call(undefined, 'DELETE', dry)).status, 200);
    }
    await again.stop();
  }
});
