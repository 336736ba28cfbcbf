import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { CredentialFiles } from '../../../../oci/distribution/credentials/credential-files.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const ada = { username: 'ada', password: 'pass:word' };

async function files(t: TestContext, ...contents: readonly (object | string)[]): Promise<CredentialFiles> {
  const folder = await makeTempDir(t, 'logins');
  const paths = contents.map((_, index) => join(folder, `${index}.json`));
  for (const [index, path] of paths.entries()) {
    const content = contents[index];
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  }
  return new CredentialFiles([join(folder, 'none.json'), ...paths]);
}

describe('the agent’s own logins', () => {
  it('are found by host, by address, and by the old address of docker.io', async (t) => {
    const auth = base64('ada:pass:word');
    const source = await files(t, {
      auths: {
        'plain.lan:5000': { auth },
        'https://address.lan/v1/': { auth },
        'https://index.docker.io/v1/': { auth },
        'fields.lan': { username: 'ada', password: 'pass:word' },
      },
      HttpHeaders: { 'x-other': 'field' },
    });
    for (const registry of ['plain.lan:5000', 'address.lan', 'docker.io', 'fields.lan']) {
      assert.deepEqual(await source.find(registry, 'team/app', t.signal), ada, registry);
    }
    for (const registry of ['plain.lan', 'lan:5000', 'other.lan', 'io']) {
      assert.equal(await source.find(registry, 'team/app', t.signal), undefined, registry);
    }
  });

  it('may count for a part of a registry alone, the longest first', async (t) => {
    const source = await files(t, {
      auths: {
        'r.lan': { auth: base64('host:a') },
        'r.lan/team': { auth: base64('team:b') },
        'r.lan/team/app': { auth: base64('app:c') },
        'docker.io/library': { auth: base64('hub:d') },
      },
    });
    const user = async (registry: string, repository: string) =>
      (await source.find(registry, repository, t.signal))?.username;
    assert.equal(await user('r.lan', 'team/app'), 'app');
    assert.equal(await user('r.lan', 'team/other'), 'team');
    assert.equal(await user('r.lan', 'teams/app'), 'host');
    assert.equal(await user('docker.io', 'library/alpine'), 'hub');
    assert.equal(await user('docker.io', 'other/alpine'), undefined);
  });

  it('may be identity and registry tokens, and entries that hold nothing are none', async (t) => {
    const source = await files(
      t,
      { auths: { 'empty.lan': {}, 'a.lan': { auth: base64('ada:'), identitytoken: 'refresh' } } },
      { auths: { 'empty.lan': { registrytoken: 'bearer' }, 'a.lan': { auth: base64('later:x') } } },
    );
    const found = await source.find('a.lan', '', t.signal);
    assert.deepEqual(found, { username: 'ada', password: '', identityToken: 'refresh' });
    assert.deepEqual(await source.find('empty.lan', '', t.signal), { registryToken: 'bearer' });
  });

  it('come from helpers, a single one before that of all', async (t) => {
    const folder = await makeTempDir(t, 'helpers');
    const helper = (name: string, script: string) =>
      writeFile(join(folder, `docker-credential-${name}`), `#!/bin/sh\nserver=$(cat)\n${script}`, {
        mode: 0o755,
      });
    await helper('one', 'echo \'{"ServerURL":"x","Username":"<token>","Secret":"refresh"}\'');
    await helper('all', 'printf \'{"Username":"of %s","Secret":"s"}\' "$server"');
    await helper('nothing', 'echo credentials not found in native keychain; exit 1');
    await helper('broken', 'echo secret; echo it is locked >&2; exit 3');
    await helper('mute', 'echo nonsense');
    const path = process.env.PATH;
    process.env.PATH = `${folder}:${path}`;
    t.after(() => {
      process.env.PATH = path;
    });
    const source = await files(
      t,
      {
        auths: { 'https://index.docker.io/v1/': {}, 'kept.lan': { auth: base64('file:x') } },
        credsStore: 'all',
        credHelpers: {
          'one.lan': 'one',
          'nothing.lan': 'nothing',
          'broken.lan': 'broken',
          'mute.lan': 'mute',
          'missing.lan': 'missing',
          'path.lan': '../../bin/sh',
        },
      },
      { auths: { 'nothing.lan': { auth: base64('second:x') } } },
    );
    const find = (registry: string) => source.find(registry, 'team/app', t.signal);
    assert.deepEqual(await find('one.lan'), { identityToken: 'refresh' });
    assert.equal((await find('kept.lan'))?.username, 'of kept.lan');
    assert.equal((await find('any.lan'))?.username, 'of any.lan');
    assert.equal((await find('docker.io'))?.username, 'of https://index.docker.io/v1/');
    assert.equal((await find('nothing.lan'))?.username, 'second');
    for (const [registry, message] of [
      ['broken.lan', /docker-credential-broken failed for broken\.lan: it is locked$/],
      ['mute.lan', /its answer does not follow the protocol$/],
      ['missing.lan', /docker-credential-missing .*it is not installed$/],
      ['path.lan', /its name may have letters, digits/],
    ] as const) {
      await assert.rejects(find(registry), { code: 'registry', message });
    }
  });

  it('that cannot be read are said by the file, without what it holds', async (t) => {
    for (const [content, message] of [
      ['{secret', /0\.json with the logins of registries cannot be used: it is not JSON$/],
      ['[]', /it is not a JSON object$/],
      [{ auths: [] }, /"auths" is not a JSON object$/],
      [
        { auths: { 'a.lan': { auth: base64('secret') } } },
        /the "auth" of a\.lan is not base64 of USER:PASSWORD$/,
      ],
      [{ credHelpers: { 'a.lan': 1 } }, /the helper of a\.lan is not a string$/],
    ] as const) {
      const source = await files(t, content);
      await assert.rejects(source.find('a.lan', '', t.signal), (error: Error) => {
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
    }
  });
});
