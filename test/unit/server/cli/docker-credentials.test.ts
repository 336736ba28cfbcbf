import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { dockerCredentials } from '../../../../server/cli/docker-config.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const auth = (pair: string) => ({ auth: Buffer.from(pair).toString('base64') });

test('logins are found by host as docker writes them', async (t) => {
  const find = await configured(t, {
    auths: {
      'registry.example:5000': auth('ada:pass:word'),
      'https://other.example': auth('bob:secret'),
      'https://index.docker.io/v1/': auth('hub:secret'),
      'tokens.example': { ...auth('<token>:'), identitytoken: 'refresh' },
      'helper.example': {},
    },
  });
  const password = (user: string, word: string) => ({ kind: 'password', user, password: word });
  assert.deepEqual(await find('registry.example:5000'), password('ada', 'pass:word'));
  assert.deepEqual(await find('other.example'), password('bob', 'secret'));
  assert.deepEqual(await find('registry-1.docker.io'), password('hub', 'secret'));
  assert.deepEqual(await find('tokens.example'), { kind: 'refresh-token', token: 'refresh' });
  for (const host of ['registry.example', 'helper.example', 'unknown.example']) {
    assert.equal(await find(host), undefined, host);
  }
});

test('without a file, or logins in it, there are none; a damaged one is told', async (t) => {
  assert.equal(await dockerCredentials('a.example', { DOCKER_CONFIG: await makeTempDir(t) }), undefined);
  assert.equal(await (await configured(t, {}))('a.example'), undefined);
  await assert.rejects((await configured(t, 'no object'))('a.example'), /must hold a JSON object/);
  const broken = await configured(t, { auths: { 'a.example': auth('no colon') } });
  await assert.rejects(broken('a.example'), /holds no user and password for a\.example: log in again/);
});

async function configured(t: TestContext, config: unknown) {
  const folder = await makeTempDir(t, 'docker-config');
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  return (host: string) => dockerCredentials(host, { DOCKER_CONFIG: folder });
}
