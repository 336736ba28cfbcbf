import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { framed } from '../../../../../runtime-agent/builder/buildkit/grpc/message-reader.ts';
import {
  Packet_PacketType as Kind,
  PacketSchema,
  StatSchema,
} from '../../../../../runtime-agent/builder/buildkit/proto/wire_pb.ts';
import type { ClientSession } from '../../../../../runtime-agent/builder/buildkit/session/client-session.ts';
import { readSmallFiles } from '../../../../../runtime-agent/builder/buildkit/session/read-small-files.ts';
import { sendFolder } from '../../../../../runtime-agent/builder/buildkit/session/send-folder.ts';
import type { FileTree } from '../../../../../runtime-agent/builder/context/file-tree.ts';

const stat = (path: string, size = 1, linkname = '') =>
  message({ stat: create(StatSchema, { path, mode: 0o644, size: BigInt(size), modTime: 1n, linkname }) });
const data = (ID: number, bytes: Uint8Array) => message({ type: Kind.PACKET_DATA, ID, data: bytes });
const LISTED = message({});

function message(fields: Parameters<typeof create<typeof PacketSchema>>[1]): Buffer {
  return framed(toBinary(PacketSchema, create(PacketSchema, fields)));
}

/** A session whose DiffCopy sends these packets and ends. */
function sessionOf(packets: Iterable<Buffer>): ClientSession {
  const iterator = packets[Symbol.iterator]();
  const stream = new Duplex({
    allowHalfOpen: false,
    read() {
      const { done, value } = iterator.next();
      this.push(done === true ? null : value);
    },
    write: (_chunk, _encoding, done) => done(),
  });
  const call = Object.assign(stream, { rstCode: 0, close: () => stream.destroy() });
  // As ClientSession.call() does.
  stream.on('error', () => undefined);
  setImmediate(() => {
    call.emit('response', {});
    call.emit('trailers', { 'grpc-status': '0' });
  });
  return { offers: () => true, call: () => call } as unknown as ClientSession;
}

const read = (packets: Iterable<Buffer>) =>
  readSmallFiles(
    sessionOf(packets),
    'dockerfile',
    ['Dockerfile'],
    () => undefined,
    AbortSignal.timeout(60_000),
  );

describe('a client that is asked for a Dockerfile', () => {
  test('may send it in pieces of one byte, through a link', async () => {
    const text = 'FROM scratch\n'.repeat(1000);
    const files = await read([
      stat('Dockerfile', text.length),
      stat('link', 0, 'Dockerfile'),
      LISTED,
      ...Array.from(text, (char) => data(0, Buffer.from(char))),
      data(0, Buffer.alloc(0)),
    ]);
    assert.equal(files.read('Dockerfile'), text);
    assert.equal(files.read('link'), text);
  });

  test('does not send files without end', async () => {
    function* endless() {
      for (let index = 0; ; index += 1) yield stat(`f${index}`, 0);
    }
    await assert.rejects(read(endless()), /sends more of dockerfile than a Dockerfile/);
  });

  test('does not send the contents of many', async () => {
    function* many() {
      for (let index = 0; index < 100; index += 1) yield stat(`f${index}`, 1 << 20);
      yield LISTED;
      for (let index = 0; index < 100; index += 1) yield data(index, Buffer.alloc(1 << 20));
    }
    await assert.rejects(read(many()), /sends more of dockerfile than a Dockerfile/);
  });

  test('does not send more than it has told', async () => {
    const more = [stat('Dockerfile', 1), LISTED, data(0, Buffer.alloc((1 << 20) + 1))];
    await assert.rejects(read(more), /larger than 1 MiB/);
    await assert.rejects(read([stat('Dockerfile', 1), LISTED, data(7, Buffer.alloc(1))]), /not asked for/);
  });
});

test('a client that takes a folder asks for each file once', async () => {
  const entry = { path: 'f', kind: 'file', size: 1, mode: 0o644, uid: 0, gid: 0, mtime: 0 } as const;
  const tree = {
    children: async () => ['f'],
    entry: async () => entry,
    xattrs: async () => new Map(),
    read: async function* () {
      yield Buffer.from('x');
    },
  } as unknown as FileTree;
  let asked = 0;
  async function* diffCopy(packets: AsyncIterable<unknown>) {
    const iterator = packets[Symbol.asyncIterator]();
    await iterator.next();
    for (; asked < 10_000; asked += 1) yield create(PacketSchema, { type: Kind.PACKET_REQ, ID: 0 });
  }
  const session = { offers: () => true, client: () => ({ diffCopy }) } as unknown as ClientSession;
  await assert.rejects(
    sendFolder(session, 0, tree, () => undefined, AbortSignal.timeout(60_000)),
    /asked for the file 0, which is none, or was sent before/,
  );
  assert.equal(asked, 1);
});
