import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  Packet_PacketType as Kind,
  PacketSchema,
} from '../../../../../runtime-agent/builder/buildkit/proto/wire_pb.ts';
import {
  decodePacket,
  encodeRequests,
  FIN,
} from '../../../../../runtime-agent/builder/buildkit/session/packet.ts';

const PACKETS: readonly MessageInitShape<typeof PacketSchema>[] = [
  { type: Kind.PACKET_STAT },
  { type: Kind.PACKET_FIN },
  { type: Kind.PACKET_REQ, ID: 4_000_000_000 },
  { type: Kind.PACKET_DATA, ID: 3, data: Buffer.from('some content') },
  { type: Kind.PACKET_ERR, data: Buffer.from('no such file') },
  {
    stat: {
      path: 'ordner/größe',
      mode: 0x8800_01ff,
      uid: 1000,
      gid: 100,
      size: 2n ** 40n,
      modTime: 1_700_000_000_123_456_789n,
      linkname: '../x',
      devmajor: 8n,
      devminor: 1n,
      xattrs: { 'user.a': Buffer.from([0, 255]), __proto__x: Buffer.alloc(0) },
    },
  },
  { stat: { path: 'before 1970', modTime: -1n } },
];

test('packets are decoded as the library does it', () => {
  for (const packet of PACKETS) {
    const bytes = Buffer.from(toBinary(PacketSchema, create(PacketSchema, packet)));
    const { type, ID, data, stat } = fromBinary(PacketSchema, bytes);
    const decoded = decodePacket(bytes);
    assert.deepEqual([decoded.type, decoded.ID], [type, ID]);
    assert.deepEqual(Buffer.from(decoded.data), Buffer.from(data));
    assert.equal(decoded.stat === undefined, stat === undefined);
    if (stat === undefined || decoded.stat === undefined) continue;
    const { path, mode, size, modTime, linkname, xattrs } = stat;
    assert.deepEqual(
      { ...decoded.stat, xattrs: undefined },
      { path, mode, size, modTime, linkname, xattrs: undefined },
    );
    assert.deepEqual(Object.entries(decoded.stat.xattrs), Object.entries(xattrs));
  }
});

test('what breaks off is refused', () => {
  const bytes = Buffer.from(toBinary(PacketSchema, create(PacketSchema, PACKETS[5])));
  assert.throws(() => decodePacket(bytes.subarray(0, bytes.length - 1)));
});

test('packets are encoded as the library does it', () => {
  const ids = [0, 1, 127, 128, 300, 4_000_000_000];
  const packets = ids.map((ID) => create(PacketSchema, { type: Kind.PACKET_REQ, ID }));
  assert.deepEqual(
    encodeRequests(ids).map((bytes) => Buffer.from(bytes)),
    packets.map((packet) => Buffer.from(toBinary(PacketSchema, packet))),
  );
  const end = create(PacketSchema, { type: Kind.PACKET_FIN });
  assert.deepEqual(Buffer.from(FIN), Buffer.from(toBinary(PacketSchema, end)));
});
