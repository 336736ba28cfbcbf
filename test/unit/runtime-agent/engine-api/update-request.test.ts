import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonFields } from '../../../../lib/json/json-fields.ts';
import { decodeUpdateRequest } from '../../../../runtime-agent/engine-api/decode/update-request.ts';

const decode = (body: object) => decodeUpdateRequest(new JsonFields(body));

test('ulimits of an update are left aside with a warning', () => {
  const { changes, warnings } = decode({ Memory: 1 << 26, Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 1 }] });
  assert.deepEqual(changes, { Memory: 1 << 26 });
  assert.deepEqual(warnings, ['Ulimits of an existing container do not change: create a new container']);
  for (const Ulimits of [[], null]) assert.deepEqual(decode({ Ulimits }).warnings, []);
});

test('limits that only a new container can have are refused by their names', () => {
  assert.throws(() => decode({ Devices: [{}] }), {
    code: 'not-implemented',
    message: /^Devices of an existing container/,
  });
  assert.deepEqual(decode({ Devices: [], MemorySwappiness: -1, KernelMemory: 0 }).changes, {});
});
