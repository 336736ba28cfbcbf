import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { plainDescriptor } from '../../../../lib/streams/handle-descriptor.ts';
import { HashThread } from '../../../../storage/blobs/hashing/hash-thread.ts';
import { type CleanupScope, defer } from '../../../support/cleanup.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const KiB = 1024;
const SIZES = [16 * KiB, 1, 64 * KiB, 64 * KiB + 1, 300 * KiB, 7, 1024 * KiB, 65535];

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`many hashes at once, of chunks of any size, with rests: ${algorithm}`, async (t) => {
    const thread = new HashThread();
    defer(t, () => thread.close());
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const expected = createHash(algorithm);
        const hash = thread.begin(algorithm);
        for (let step = 0; step < 24; step += 1) {
          const chunk = randomBytes(SIZES[step === 0 ? 0 : (index + step * 3) % SIZES.length] ?? 1);
          expected.update(chunk);
          await hash.update(chunk);
          // Its memory is the sender's again.
          chunk.fill(0);
          if ((index + step) % 5 === 0) hash.rest();
          if (step % 7 === 0) await new Promise(setImmediate);
        }
        if (index % 4 === 3) hash.drop();
        else assert.equal(await hash.digest(), expected.digest('hex'));
      }),
    );
  });
}

test('what comes over sockets is hashed in order with what is given, and is in the files', async (t) => {
  const thread = new HashThread();
  defer(t, () => thread.close());
  const folder = await makeTempDir(t, 'receive');
  const never = new AbortController().signal;
  await Promise.all(
    Array.from({ length: 12 }, async (_, index) => {
      const { reader, writer } = await connectedSockets(t);
      const path = join(folder, `${index}`);
      const file = openSync(path, 'w+');
      defer(t, () => closeSync(file));
      const expected = createHash('sha256');
      const hash = thread.begin('sha256');
      const receive = hash.receiver() ?? assert.fail('nothing receives');
      const received: Buffer[] = [];
      for (let step = 0; step < 6; step += 1) {
        const given = randomBytes(SIZES[(index + step) % SIZES.length] ?? 1);
        await hash.update(given);
        const sent = randomBytes(700 * KiB + index * 1000 + step);
        writer.write(sent);
        const transfer = { socket: fdOf(reader), file, position: Buffer.concat(received).length };
        const result = await receive({ ...transfer, length: sent.length }, () => {}, never);
        assert.deepEqual(result, { received: sent.length });
        expected.update(given).update(sent);
        received.push(sent);
      }
      assert.equal(await hash.digest(), expected.digest('hex'));
      assert.equal(readFileSync(path).equals(Buffer.concat(received)), true);
    }),
  );
});

test('receiving ends early with the client, the signal, the device and the thread', async (t) => {
  const thread = new HashThread();
  const path = join(await makeTempDir(t, 'receive'), 'file');
  const file = openSync(path, 'w+');
  const readOnly = openSync(path, 'r');
  defer(t, () => [file, readOnly].forEach(closeSync));
  const begin = async () => {
    const sockets = await connectedSockets(t);
    const receive = thread.begin('sha256').receiver() ?? assert.fail('nothing receives');
    const controller = new AbortController();
    const start = (to = file) => {
      const transfer = { socket: fdOf(sockets.reader), file: to, position: 0, length: 1000 * KiB };
      return receive(transfer, () => {}, controller.signal);
    };
    return { ...sockets, start, controller };
  };
  const left = await begin();
  left.writer.end(Buffer.alloc(10));
  assert.deepEqual(await left.start(), { received: 10 });

  const stopped = await begin();
  const stopping = stopped.start();
  stopped.controller.abort();
  assert.deepEqual(await stopping, { received: 0 });

  const unwritable = await begin();
  unwritable.writer.write(Buffer.alloc(10));
  const { received, deviceError } = await unwritable.start(readOnly);
  assert.equal(received, 0);
  assert.equal((deviceError as NodeJS.ErrnoException).code, 'EBADF');

  const cut = await begin();
  const cutting = cut.start();
  await thread.close();
  assert.deepEqual(await cutting, { received: 0 });
});

/** Two ends of a connection, of which nobody reads the first. */
async function connectedSockets(scope: CleanupScope): Promise<{ reader: Socket; writer: Socket }> {
  const server = createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const writer = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const reader = await accepted;
  defer(scope, () => {
    reader.destroy();
    writer.destroy();
    server.close();
  });
  return { reader, writer };
}

function fdOf(socket: Socket): number {
  return plainDescriptor(socket) ?? assert.fail('the socket has no descriptor');
}

test('small content, and none, is hashed without the thread', async (t) => {
  const thread = new HashThread();
  defer(t, () => thread.close());
  const hash = thread.begin('sha256');
  hash.update(Buffer.from('abc'));
  assert.equal(await hash.digest(), createHash('sha256').update('abc').digest('hex'));
  assert.equal(await thread.begin('sha256').digest(), createHash('sha256').digest('hex'));
});

test('when the thread has ended hashes fail, and new ones get another thread', async () => {
  const thread = new HashThread();
  const hash = thread.begin('sha256');
  await hash.update(randomBytes(64 * KiB));
  await thread.close();
  await assert.rejects(hash.digest(), /the thread that hashes has ended/);
  const next = thread.begin('sha256');
  await next.update(Buffer.alloc(64 * KiB));
  assert.equal(
    await next.digest(),
    createHash('sha256')
      .update(Buffer.alloc(64 * KiB))
      .digest('hex'),
  );
  await thread.close();
});
