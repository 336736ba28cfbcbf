import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { decodeBuildQuery } from '../../../../runtime-agent/engine-api/decode/build-query.ts';
import {
  decodeRegistryAuth,
  decodeRegistryConfig,
} from '../../../../runtime-agent/engine-api/decode/registry-auth.ts';
import { callEngine } from './fakes/call-engine.ts';
import { makeImage } from './fakes/fake-images.ts';
import { startFakeEngine } from './fakes/start-fake-engine.ts';

const engine = await startFakeEngine({ after });
engine.images.images = [makeImage('busybox:latest')];
const call = (method: string, path: string, options = {}) => callEngine(engine.socket, method, path, options);

describe('every body', () => {
  test('of a container, volume and network', async () => {
    const container = await call('POST', '/containers/create?name=folded', {
      body: { image: 'busybox', name: 'k', HOSTCONFIG: null },
    });
    assert.equal(container.status, 201, container.text);
    const volume = await call('POST', '/volumes/create', {
      body: { name: 'lc', what: 1, labels: { a: null } },
    });
    assert.equal(JSON.parse(volume.text).Name, 'lc');
    assert.deepEqual(JSON.parse(volume.text).Labels, { a: '' });
    const network = { name: 'lane', checkduplicate: true, ipam: { config: [{ subnet: '10.9.0.0/24' }] } };
    assert.equal((await call('POST', '/networks/create', { body: network })).status, 201);
    const [shown] = JSON.parse((await call('GET', '/networks?filters={"name":["lane"],"label":null}')).text);
    assert.equal(shown.IPAM.Config[0].Subnet, '10.9.0.0/24');
    const refused = await call('POST', '/networks/create', { body: { name: 'x', configonly: true } });
    assert.match(refused.text, /ConfigOnly/);
  });
  test('may be null', async () => {
    const headers = { 'content-type': 'application/json' };
    assert.equal((await call('POST', '/volumes/create', { body: 'null', headers })).status, 201);
    const create = await call('POST', '/containers/create', { body: 'null', headers });
    assert.deepEqual(
      [create.status, create.text],
      [400, '{"message":"Image is empty: name the image to run"}\n'],
    );
  });
  test('of a wrong type is a 400 that names the field', async () => {
    const login = await call('POST', '/auth', { body: { USERNAME: 1 } });
    assert.deepEqual([login.status, login.text], [400, '{"message":"username must be a string"}\n']);
  });
});

describe('every query', () => {
  const build = (query: Readonly<Record<string, string>>) =>
    decodeBuildQuery(new URLSearchParams(query)).request;
  test('of a build', () => {
    const nothing = build({ buildargs: 'null', labels: 'null', ulimits: 'null', cachefrom: 'null' });
    assert.deepEqual([nothing.buildArguments.size, nothing.labels.size, nothing.cacheFrom], [0, 0, []]);
    assert.deepEqual([...build({ labels: '{"a":null}' }).labels], [['a', '']]);
    assert.deepEqual(
      [...build({ buildargs: '{"A":null,"b":"c"}' }).buildArguments],
      [
        ['A', undefined],
        ['b', 'c'],
      ],
    );
    const { limits } = build({ ulimits: '[{"name":"nofile","SOFT":1,"hard":2,"more":3}]' });
    assert.deepEqual(limits?.Ulimits, [{ Name: 'nofile', Soft: 1, Hard: 2 }]);
    assert.throws(() => build({ labels: '{"a":1}' }), { code: 'bad-request' });
  });
});

describe('every header', () => {
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  test('with credentials', () => {
    assert.deepEqual(decodeRegistryAuth(encoded({ UserName: 'a', passWord: 'b', email: null })), {
      username: 'a',
      password: 'b',
    });
    assert.equal(decodeRegistryAuth(encoded(null)), undefined);
    assert.equal(decodeRegistryConfig('bnVsbA==').size, 0);
    assert.deepEqual(
      [...decodeRegistryConfig(encoded({ 'a.test': { Username: 'a', Password: 'b' }, 'b.test': null }))],
      [['a.test', { username: 'a', password: 'b' }]],
    );
  });
});
