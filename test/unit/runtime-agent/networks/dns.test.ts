import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver as Client } from 'node:dns/promises';
import { describe, test } from 'node:test';
import { answerQuery, type Names } from '../../../../runtime-agent/networks/dns/answer-query.ts';
import {
  emptyAnswer,
  fitUdp,
  readQuestion,
  reversedAddress,
} from '../../../../runtime-agent/networks/dns/dns-message.ts';
import { forwardQuery, framed, readFrames } from '../../../../runtime-agent/networks/dns/forward-query.ts';
import { dnsNames } from '../../../../runtime-agent/networks/sandbox.ts';
import { containerConfig } from '../../../support/container-requests.ts';

const TYPE = { a: 1, ptr: 12, mx: 15, aaaa: 28 } as const;

function query(name: string, type: number): Buffer {
  const labels = name
    .split('.')
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const header = Buffer.from('123401000001000000000000', 'hex');
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, type, 0, 1])]);
}

const names: Names = {
  addressesOf: (name) => (name === 'ship' ? ['172.18.0.2', 'fd00::2'] : undefined),
  nameOf: (address) => (address === '172.18.0.2' ? 'ship.sea' : undefined),
};

const codeOf = (reply: Buffer | undefined) => (reply === undefined ? undefined : reply.readUInt16BE(2) & 0xf);
const answersOf = (reply: Buffer | undefined) => reply?.readUInt16BE(6);

describe('queries for names that the agent knows', () => {
  test('are answered with the addresses of their family', () => {
    const a = answerQuery(query('SHIP', TYPE.a), names);
    assert.equal(answersOf(a), 1);
    assert.equal(a?.subarray(-4).toString('hex'), 'ac120002');
    assert.equal(a?.readUInt16BE(0), 0x1234);
    assert.equal((a?.readUInt16BE(2) ?? 0) & 0x8080, 0x8080);
    const aaaa = answerQuery(query('ship', TYPE.aaaa), names);
    assert.equal(aaaa?.subarray(-16).toString('hex'), 'fd000000000000000000000000000002');
  });
  test('of a family that it has not are answered with nothing, not passed on', () => {
    const reply = answerQuery(query('ship', TYPE.aaaa), { ...names, addressesOf: () => ['172.18.0.2'] });
    assert.deepEqual([codeOf(reply), answersOf(reply)], [0, 0]);
  });
  test('for the name of an address', () => {
    const reply = answerQuery(query('2.0.18.172.in-addr.arpa', TYPE.ptr), names);
    assert.equal(reply?.subarray(-10).toString('latin1'), '\x04ship\x03sea\0');
    assert.equal(reversedAddress(`${'1.'.repeat(32)}ip6.arpa`), Array(8).fill('1111').join(':'));
  });
  test('others are not answered', () => {
    assert.equal(answerQuery(query('elsewhere', TYPE.a), names), undefined);
    assert.equal(answerQuery(query('ship', TYPE.mx), names), undefined);
    assert.equal(answerQuery(query('3.0.18.172.in-addr.arpa', TYPE.ptr), names), undefined);
  });
  test('what is no query is a format error', () => {
    const good = query('ship', TYPE.a);
    for (const bad of [
      Buffer.alloc(0),
      Buffer.from('1'),
      good.subarray(0, 15),
      good.subarray(0, -1),
      Buffer.concat([good.subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]),
    ]) {
      assert.equal(readQuestion(bad), undefined);
      assert.equal(codeOf(answerQuery(bad, names)), 1);
    }
  });
  test('an answer that is too long for UDP is cut and marked', () => {
    const many = { ...names, addressesOf: () => Array.from({ length: 60 }, (_, index) => `10.0.0.${index}`) };
    const asked = query('ship', TYPE.a);
    const reply = answerQuery(asked, many) ?? assert.fail();
    assert.equal(answersOf(reply), 60);
    const cut = fitUdp(asked, reply);
    assert.deepEqual([answersOf(cut), cut.readUInt16BE(2) & 0x200], [0, 0x200]);
  });
});

test('a client of the C library understands the answers', async (t) => {
  const socket = createSocket('udp4');
  socket.on('message', (message, { address, port }) => {
    socket.send(answerQuery(message, names) ?? emptyAnswer(message, 3), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  t.after(() => socket.close());
  const client = new Client({ timeout: 60_000, tries: 2 });
  client.setServers([`127.0.0.1:${socket.address().port}`]);
  assert.deepEqual(await client.resolve4('ship'), ['172.18.0.2']);
  assert.deepEqual(await client.resolve6('ship'), ['fd00::2']);
  assert.deepEqual(await client.reverse('172.18.0.2'), ['ship.sea']);
  await assert.rejects(client.resolve4('elsewhere'), { code: 'ENOTFOUND' });
});

test('without servers a query fails at once, and none is left waiting when the resolver closes', async () => {
  const asked = query('x', TYPE.a);
  assert.equal(codeOf(await forwardQuery(asked, [], 'udp', new AbortController().signal)), 2);
  assert.equal(codeOf(await forwardQuery(asked, ['192.0.2.1'], 'udp', AbortSignal.abort())), 2);
});

test('messages of a connection come in parts and together', async () => {
  const [one, two] = [Buffer.from('one'), Buffer.from('second')];
  const bytes = Buffer.concat([framed(one), framed(two)]);
  async function* parts() {
    for (const end of [1, 4, bytes.length - 2, bytes.length]) {
      yield bytes.subarray(
        [0, 1, 4, bytes.length - 2][[1, 4, bytes.length - 2, bytes.length].indexOf(end)],
        end,
      );
    }
  }
  const read: string[] = [];
  for await (const message of readFrames(parts())) read.push(message.toString());
  assert.deepEqual(read, ['one', 'second']);
});

test('names of a container are its own, its aliases, its ID and its host name, once each', () => {
  const config = containerConfig([], { Hostname: 'ffffffffffff' });
  assert.deepEqual(dnsNames({ id: 'f'.repeat(64), name: 'ship', config }, ['a', 'ship']), [
    'ship',
    'a',
    'ffffffffffff',
  ]);
});
