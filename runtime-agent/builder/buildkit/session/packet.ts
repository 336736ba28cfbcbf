import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { Packet_PacketType as Kind, type Packet, type Stat } from '../proto/wire_pb.ts';

/** The client's description of a file. */
export type FileStat = Pick<Stat, 'path' | 'mode' | 'size' | 'modTime' | 'linkname' | 'xattrs'>;

export type ReceivedPacket = Pick<Packet, 'type' | 'ID' | 'data'> & { readonly stat: FileStat | undefined };

const NOTHING = Buffer.alloc(0);
/** Field numbers with the wire type of their values, varint. */
const TYPE_FIELD = 1 << 3;
const ID_FIELD = 3 << 3;

/**
 * Decodes a packet (fsutil.types.Packet in wire.proto) by hand: a folder with thousands of files has as many packets,
 * and a generic decoder takes several times as long. Throws RangeError for invalid bytes.
 */
export function decodePacket(bytes: Buffer): ReceivedPacket {
  const reader = new BinaryReader(bytes);
  let type: Packet['type'] = Kind.PACKET_STAT;
  let stat: FileStat | undefined;
  let ID = 0;
  let data: Uint8Array = NOTHING;
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === 1 && wire === WireType.Varint) type = reader.int32() as Packet['type'];
    else if (field === 2 && wire === WireType.LengthDelimited) stat = decodeStat(reader.bytes());
    else if (field === 3 && wire === WireType.Varint) ID = reader.uint32();
    else if (field === 4 && wire === WireType.LengthDelimited) data = reader.bytes();
    else reader.skip(wire, field);
  }
  return { type, stat, ID, data };
}

/** Encodes packets that ask for the contents of files, by their numbers. */
export function encodeRequests(ids: readonly number[]): readonly Uint8Array[] {
  return ids.map((id) => {
    const bytes = [TYPE_FIELD, Kind.PACKET_REQ];
    if (id === 0) return Uint8Array.from(bytes);
    bytes.push(ID_FIELD);
    for (let rest = id; ; rest = Math.floor(rest / 128)) {
      if (rest < 128) return Uint8Array.from([...bytes, rest]);
      bytes.push((rest % 128) | 128);
    }
  });
}

/** The packet that ends a transfer. */
export const FIN = Uint8Array.of(TYPE_FIELD, Kind.PACKET_FIN);

function decodeStat(bytes: Uint8Array): FileStat {
  const reader = new BinaryReader(bytes);
  let path = '';
  let mode = 0;
  let size = 0n;
  let modTime = 0n;
  let linkname = '';
  const xattrs: [string, Uint8Array][] = [];
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === 1 && wire === WireType.LengthDelimited) path = reader.string();
    else if (field === 2 && wire === WireType.Varint) mode = reader.uint32();
    else if (field === 5 && wire === WireType.Varint) size = BigInt(reader.int64());
    else if (field === 6 && wire === WireType.Varint) modTime = BigInt(reader.int64());
    else if (field === 7 && wire === WireType.LengthDelimited) linkname = reader.string();
    else if (field === 10 && wire === WireType.LengthDelimited) xattrs.push(decodeXattr(reader.bytes()));
    else reader.skip(wire, field);
  }
  return { path, mode, size, modTime, linkname, xattrs: Object.fromEntries(xattrs) };
}

function decodeXattr(bytes: Uint8Array): [name: string, value: Uint8Array] {
  const reader = new BinaryReader(bytes);
  let name = '';
  let value: Uint8Array = NOTHING;
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === 1 && wire === WireType.LengthDelimited) name = reader.string();
    else if (field === 2 && wire === WireType.LengthDelimited) value = reader.bytes();
    else reader.skip(wire, field);
  }
  return [name, value];
}
