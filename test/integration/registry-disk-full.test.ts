import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { defer } from '../support/cleanup.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { digestOf, OCI_MANIFEST } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

const options = { skip: unlessRoot(), timeout: 900_000 };
const MiB = 1024 * 1024;

/** A registry on a device of 24 MiB, and a file that takes all that is left until it is taken away. */
async function startOnSmallDevice(t: TestContext) {
  const device = await makeTempDir(t, 'small');
  await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'berth-test', device]);
  defer(t, async () => {
    await runCommand('umount', ['--lazy', device]);
  });
  const registry = await startInProcessRegistry(t, { data: join(device, 'data') });
  const filler = join(device, 'filler');
  return {
    registry,
    fill: async () => {
      for (let size = 16 * MiB; size > 1024; size /= 2) {
        // What did not fit is cut off again, so that the next, smaller piece counts.
        await runCommand('sh', ['-c', `head -c ${size} /dev/zero >> "$0" || true`, filler]);
      }
    },
    makeRoom: () => rm(filler, { force: true }),
    writeFiller: (size: number) => writeFile(filler, Buffer.alloc(size)),
  };
}

test(
  'a full disk is an error that passes: nothing is lost, and uploads go on when there is space',
  options,
  async (t) => {
    const { registry, fill, makeRoom, writeFiller } = await startOnSmallDevice(t);
    const { bytes, manifest } = await registry.pushImage('team/app', '1');
    const content = randomBytes(6 * MiB);
    const digest = digestOf(content);
    const location = await registry.begin('team/app');
    const first = await registry.send('PATCH', location, { body: content.subarray(0, MiB) });
    assert.equal(first.status, 202);

    await writeFiller(16 * MiB);
    // It does not fit; docker, podman and oras try again on 503.
    const refused = await registry.send('PATCH', location, { body: content.subarray(MiB) });
    expectError(refused, 503, 'UNAVAILABLE');
    assert.match(String(refused.headers['retry-after']), /^\d+$/);

    await fill();
    for (const [method, path, body] of [
      ['POST', '/v2/team/app/blobs/uploads/', undefined],
      ['POST', `/v2/team/app/blobs/uploads/?digest=${digest}`, content],
      [
        'PUT',
        '/v2/team/app/manifests/2',
        JSON.stringify({ ...manifest, annotations: { a: 'x'.repeat(100_000) } }),
      ],
    ] as const) {
      const answer = await registry.send(method, path, {
        ...(body !== undefined && { body }),
        headers: { 'Content-Type': OCI_MANIFEST },
      });
      // An upload may still begin in the reserve of the database.
      if (answer.status !== 202) expectError(answer, 503, 'UNAVAILABLE');
    }
    for (const path of ['manifests/1', `blobs/${manifest.config.digest}`, 'tags/list']) {
      assert.equal((await registry.send('GET', `/v2/team/app/${path}`)).status, 200, path);
    }
    assert.deepEqual((await registry.send('GET', '/v2/team/app/manifests/1')).body, bytes);
    const status = await registry.send('GET', location);
    assert.equal(status.status, 204);
    const kept = Number(String(status.headers.range).slice(2)) + 1;
    assert.equal(kept, MiB);

    await makeRoom();
    const put = await registry.send('PUT', `${location}?digest=${digest}`, { body: content.subarray(kept) });
    assert.equal(put.status, 201, put.body.toString());
    assert.equal(digestOf((await registry.send('GET', `/v2/team/app/blobs/${digest}`)).body), digest);
    await registry.pushImage('team/app', '3');
  },
);
