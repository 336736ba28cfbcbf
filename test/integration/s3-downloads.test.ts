import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { after, beforeEach, describe, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { parseDigest } from '../../oci/digest.ts';
import { openS3Driver, openUncheckedS3Driver } from '../../storage/blobs/s3/open-s3-driver.ts';
import { S3SettingsError } from '../../storage/blobs/s3/s3-settings.ts';
import { patternBytes } from '../support/content.ts';
import { eventually } from '../support/eventually.ts';
import { type Fault, startFaultProxy } from '../support/fault-proxy.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { startCeph } from '../support/s3/ceph-rgw.ts';
import { makeBucket, settingsFor, useCredentials } from '../support/s3/s3-server.ts';
import { startTlsFront } from '../support/s3/tls-front.ts';

const MIB = 1024 * 1024;
const SIZE = 24 * MIB + 7;

const server = await startCeph({ after });
useCredentials(server);
await makeBucket(server, 'downloads');
const proxy = await startFaultProxy({ after }, server.endpoint);
const front = await startTlsFront({ after }, { ...server, endpoint: proxy.url });
const content = patternBytes(SIZE, 1);

beforeEach(() => proxy.setFaults(() => undefined));

/** Whether a request is for bytes over a connection of their own: those have the signature in their address. */
function isRaw(url: string | undefined): boolean {
  return url?.includes('X-Amz-Signature=') === true;
}

/** Does `fault` to the first `count` requests for bytes, and answers what those were. */
function faulty(fault: Fault, count = Number.POSITIVE_INFINITY): { readonly asked: string[] } {
  const asked: string[] = [];
  proxy.setFaults(({ method, url, headers }) => {
    if (method !== 'GET') return undefined;
    asked.push(`${isRaw(url) ? 'raw' : 'read'} ${headers.range ?? 'all'}`);
    return asked.length <= count ? fault : undefined;
  });
  return { asked };
}

// Before its authority is trusted, as it is from the second suite on.
const stranger = settingsFor(front.server.endpoint, 'downloads', 'stranger', 8 * MIB);
const refusal: unknown = await openS3Driver(stranger).catch((error: unknown) => error);

test('a server behind TLS for whom nobody vouches is refused at the start', () => {
  assert.ok(refusal instanceof S3SettingsError, String(refusal));
  assert.match(
    refusal.message,
    /^PutObject in the bucket downloads on https:\S+ failed: .*cannot be reached \(\w*(?:CERT|SIGNATURE)/,
  );
});

for (const [kind, endpoint] of [
  ['plain', proxy.url],
  ['TLS', front.server.endpoint],
] as const) {
  describe(`downloads from S3, ${kind}`, async () => {
    if (kind === 'TLS') await trust(front.authority);
    const storage = settingsFor(endpoint, 'downloads', `registry-${kind}`, 8 * MIB);
    const registry = await startInProcessRegistry({ after }, { storage });
    const { digest } = await registry.pushBlob('team/app', content);
    const path = `/v2/team/app/blobs/${digest}`;

    test('a blob and a part of it come over a connection of their own, and are counted', async () => {
      const { asked } = faulty({}, 0);
      const sent = await registry.metric('berth_http_sent_bytes_total');
      const whole = await registry.send('GET', path);
      assert.equal(whole.headers['content-length'], String(SIZE));
      assert.ok(whole.body.equals(content));
      const part = await registry.send('GET', path, { headers: { Range: 'bytes=5000000-12999999' } });
      assert.equal(part.status, 206);
      assert.equal(part.headers['content-range'], `bytes 5000000-12999999/${SIZE}`);
      assert.ok(part.body.equals(content.subarray(5_000_000, 13_000_000)));
      const small = await registry.send('GET', path, { headers: { Range: 'bytes=5-9' } });
      assert.ok(small.body.equals(content.subarray(5, 10)));
      assert.deepEqual(asked, [`raw bytes=0-${SIZE - 1}`, 'raw bytes=5000000-12999999', 'read bytes=5-9']);
      const counted = (await registry.metric('berth_http_sent_bytes_total')) - sent;
      assert.ok(counted > SIZE + 8_000_000 && counted < SIZE + 8_010_000, `${counted} bytes`);
    });

    test('one that is cut off goes on where it was, by whatever way', async () => {
      for (const [fault, cuts] of [
        [{ cutAfter: 3 * MIB }, 3],
        [{ cutAfter: 3 * MIB }, 7],
        [{ cutAfter: 0 }, 2],
      ] as const) {
        const { asked } = faulty(fault, cuts);
        const { body } = await registry.send('GET', path);
        assert.ok(body.equals(content), JSON.stringify(fault));
        assert.equal(asked.length, cuts + 1, asked.join());
        assert.equal(asked[0], `raw bytes=0-${SIZE - 1}`);
      }
    });

    test('what is not answered with the bytes is asked for in the patient way', async () => {
      for (const status of [403, 500, 503]) {
        const { asked } = faulty({ answer: { status, code: 'SlowDown' } }, 1);
        const { body } = await registry.send('GET', path);
        assert.ok(body.equals(content));
        assert.deepEqual(asked, [`raw bytes=0-${SIZE - 1}`, 'read all']);
      }
      faulty({ answer: { status: 404, code: 'NoSuchKey' } });
      assert.equal((await registry.send('GET', path)).status, 404);
    });

    test('one of which no more comes ends early for the client, and not as if it were whole', async (t) => {
      faulty({ cutAfter: 0 });
      const client = await connectRaw(t, registry.port);
      client.write(`GET ${path} HTTP/1.1\r\nHost: r\r\n\r\n`);
      await client.closed();
      // By TLS the head leaves with the first bytes.
      assert.match(client.received(), kind === 'TLS' ? /^$|^HTTP\/1\.1 200 / : /^HTTP\/1\.1 200 /);
      assert.ok(client.received().length < 100_000);
    });

    test('clients that go away in the middle, and those that take nothing, leave nothing open', async (t) => {
      const open = () => readdirSync('/proc/self/fd').length;
      await registry.send('GET', path);
      const before = open();
      const clients = [];
      for (let count = 0; count < 10; count += 1) {
        const client = await connectRaw(t, registry.port);
        client.socket.pause();
        client.write(`GET ${path} HTTP/1.1\r\nHost: r\r\n\r\n`);
        clients.push(client);
      }
      await eventually('all are sent to', async () =>
        (await registry.metric('berth_http_requests_running')) >= 10 ? true : undefined,
      );
      // They are in nobody's way.
      assert.ok((await registry.send('GET', path)).body.equals(content));
      for (const client of clients) client.reset();
      await eventually('all is closed', () => (open() <= before ? true : undefined));
    });

    test('a part that the server refuses at first is sent whole again', async () => {
      let refused = 0;
      proxy.setFaults(({ method, url }) => {
        if (method !== 'PUT' || url?.includes('partNumber=1') !== true || refused === 2) return undefined;
        refused += 1;
        return { answer: { status: 503, code: 'SlowDown' } };
      });
      const other = patternBytes(SIZE, 2);
      const pushed = await registry.pushBlob('team/app', other);
      assert.equal(refused, 2);
      assert.ok((await registry.send('GET', `/v2/team/app/blobs/${pushed.digest}`)).body.equals(other));
    });

    test('one that stalls is gone on with over another connection', async () => {
      const driver = openUncheckedS3Driver(storage, 2_000);
      try {
        const [blob] = await driver.findBlobs(parseDigest(digest));
        assert.ok(blob);
        const { asked } = faulty({ stallAfter: 3 * MIB }, 1);
        assert.ok(Buffer.concat(await Array.fromAsync(await driver.readBlob(blob))).equals(content));
        assert.ok(asked.length >= 2, asked.join());
      } finally {
        await driver.close();
      }
    });
  });
}

/** Has this process trust an authority, as NODE_EXTRA_CA_CERTS does. */
async function trust(authority: string): Promise<void> {
  setDefaultCACertificates([...getCACertificates('default'), await readFile(authority, 'utf8')]);
}
