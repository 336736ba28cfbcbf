import { addressBytes, parseAddress } from '../plan/ip-address.ts';

/** RFC 1035, section 3.2 and 4.1. */
export const DNS_TYPE = { A: 1, PTR: 12, AAAA: 28 } as const;
export const DNS_CODE = { ok: 0, formatError: 1, serverFailure: 2, notFound: 3, refused: 5 } as const;
const HEADER = 12;
const IN = 1;
const RESPONSE = 0x8000;
const RECURSION_AVAILABLE = 0x80;
const OPCODE_AND_RECURSION = 0x7900;
/** Seconds. With dockerd's 600, caches such as nginx's would miss that a service has moved. */
const TTL = 5;
/** Default UDP size of a client. */
const UDP_SIZE = 512;

/** The question of a query. */
export interface DnsQuestion {
  readonly id: number;
  /** Lower case, without a dot at its end. */
  readonly name: string;
  readonly type: number;
  /** Offset of the question's end in the query. */
  readonly end: number;
}

/** Returns undefined if it is not a query with one question of class IN. */
export function readQuestion(query: Buffer): DnsQuestion | undefined {
  if (query.length < HEADER || (query.readUInt16BE(2) & 0xf800) !== 0 || query.readUInt16BE(4) !== 1) {
    return undefined;
  }
  const labels: string[] = [];
  let at = HEADER;
  for (;;) {
    const length = query[at];
    if (length === undefined || length > 63) return undefined;
    at += 1;
    if (length === 0) break;
    if (at + length > query.length) return undefined;
    labels.push(query.toString('latin1', at, at + length).toLowerCase());
    at += length;
  }
  if (at + 4 > query.length || query.readUInt16BE(at + 2) !== IN) return undefined;
  return { id: query.readUInt16BE(0), name: labels.join('.'), type: query.readUInt16BE(at), end: at + 4 };
}

/** Makes an answer without records, with `code` as its reason. */
export function emptyAnswer(query: Buffer, code: number): Buffer {
  const end = readQuestion(query)?.end;
  return Buffer.concat([
    answerHeader(query, end === undefined ? 0 : 1, 0, code),
    query.subarray(HEADER, end ?? HEADER),
  ]);
}

/** Makes an answer with these addresses, all of the question's family. */
export function addressAnswer(query: Buffer, question: DnsQuestion, addresses: readonly string[]): Buffer {
  const records = addresses.flatMap((text) => {
    const address = parseAddress(text);
    return address === undefined ? [] : [record(question.type, addressBytes(address))];
  });
  return answer(query, question, records);
}

/** Makes an answer with the name of an address. */
export function nameAnswer(query: Buffer, question: DnsQuestion, name: string): Buffer {
  const labels = name.split('.').map((label) => {
    const bytes = Buffer.from(label.slice(0, 63), 'latin1');
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  });
  return answer(query, question, [record(DNS_TYPE.PTR, Buffer.concat([...labels, Buffer.from([0])]))]);
}

/** Returns the address that a reverse name such as `2.0.18.172.in-addr.arpa` asks for. */
export function reversedAddress(name: string): string | undefined {
  const v4 = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/.exec(name);
  if (v4 !== null) return v4.slice(1).reverse().join('.');
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1];
  return v6
    ?.split('.')
    .reverse()
    .join('')
    .replace(/.{4}(?=.)/g, '$&:');
}

/** Returns an answer that fits a UDP client; otherwise a truncated one, after which the client retries by TCP. */
export function fitUdp(query: Buffer, reply: Buffer): Buffer {
  if (reply.length <= UDP_SIZE) return reply;
  const truncated = emptyAnswer(query, DNS_CODE.ok);
  truncated.writeUInt16BE(truncated.readUInt16BE(2) | 0x200, 2);
  return truncated;
}

function answer(query: Buffer, question: DnsQuestion, records: readonly Buffer[]): Buffer {
  return Buffer.concat([
    answerHeader(query, 1, records.length, DNS_CODE.ok),
    query.subarray(HEADER, question.end),
    ...records,
  ]);
}

function answerHeader(query: Buffer, questions: number, answers: number, code: number): Buffer {
  const header = Buffer.alloc(HEADER);
  const asked = query.length < 4 ? 0 : query.readUInt16BE(2) & OPCODE_AND_RECURSION;
  if (query.length >= 2) header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(asked | RESPONSE | RECURSION_AVAILABLE | code, 2);
  header.writeUInt16BE(questions, 4);
  header.writeUInt16BE(answers, 6);
  return header;
}

/** Encodes a record whose name is a pointer to the question's. */
function record(type: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(HEADER);
  head.writeUInt16BE(0xc000 | HEADER, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(IN, 4);
  head.writeUInt32BE(TTL, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}
