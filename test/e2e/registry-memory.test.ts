import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import test from 'node:test';
import { fetchDigest } from '../support/fetch-digest.ts';
import { sendRequest } from '../support/http-client.ts';
import { pseudoRandomStream } from '../support/pseudo-random.ts';
import { startRegistry } from '../support/registry-process.ts';

const options = { timeout: 900_000 };
const GIGABYTE = 1_000_000_000;
const PUSH_LIMIT = 150_000_000;
/** A pull frees what it has sent in larger steps. */
const PULL_LIMIT = 200_000_000;

for (const way of ['PATCH', 'PUT'] as const) {
  test(
    `the registry stays under 150 MB while a layer of 1 GB is pushed by ${way}, under 200 MB while it is pulled`,
    options,
    async (t) => {
      const registry = await startRegistry(t);
      const base = `${registry.url}/v2/team/big/blobs`;
      const hash = createHash('sha256');
      await pipeline(pseudoRandomStream(GIGABYTE, way), hash);
      const digest = `sha256:${hash.digest('hex')}`;
      const begun = await sendRequest(`${base}/uploads/`, { method: 'POST', body: '' });
      const session = new URL(begun.headers.location ?? '', base);
      const closing = new URL(session);
      closing.searchParams.append('digest', digest);
      const content = {
        headers: { 'content-type': 'application/octet-stream' },
        body: pseudoRandomStream(GIGABYTE, way),
      };
      const statuses = [];
      if (way === 'PATCH') {
        statuses.push((await sendRequest(session.href, { method: 'PATCH', ...content })).status);
        statuses.push((await sendRequest(closing.href, { method: 'PUT', body: '' })).status);
      } else {
        statuses.push((await sendRequest(closing.href, { method: 'PUT', ...content })).status);
      }
      assert.deepEqual(statuses, way === 'PATCH' ? [202, 201] : [201]);
      const pushPeak = await registry.process().peakRssBytes();
      // Another process, so that the pull has a peak of its own.
      await registry.restart();
      assert.equal(await fetchDigest(`${base}/${digest}`), digest);
      const pullPeak = await registry.process().peakRssBytes();
      t.diagnostic(`peak RSS in MB: push ${Math.round(pushPeak / 1e6)}, pull ${Math.round(pullPeak / 1e6)}`);
      assert.ok(pushPeak < PUSH_LIMIT, `peak RSS ${pushPeak} bytes while pushing`);
      assert.ok(pullPeak < PULL_LIMIT, `peak RSS ${pullPeak} bytes while pulling`);
    },
  );
}
