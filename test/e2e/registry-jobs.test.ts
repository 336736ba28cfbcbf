import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { runBerth } from '../support/berth-command.ts';
import { startIdentityProvider } from '../support/identity-provider.ts';
import { imageFolder } from '../support/image-cache.ts';
import { startRegistry } from '../support/registry-process.ts';
import { setUpSkopeo } from '../support/skopeo.ts';
import { makeBusyboxImage } from '../support/test-images.ts';

describe('a CI job without a secret', { timeout: 900_000 }, async () => {
  const provider = await startIdentityProvider({ after });
  const registry = await startRegistry({ after }, { adminPassword: 'correct horse battery' });
  const image = await makeBusyboxImage(await imageFolder({ after }));
  const { skopeo } = await setUpSkopeo({ after });
  const source = `oci:${image.layout}:${image.refName}`;
  const push = (repository: string, token: string, expectExit: 0 | 1) =>
    skopeo(['copy', '--dest-creds', `ci:${token}`, source, `docker://${registry.host}/${repository}:1`], {
      expectExit,
    });
  const rule = async (...args: string[]) => {
    const result = await runBerth('rule', ...args, '--data', registry.dataDir);
    assert.equal(result.exitCode, 0, result.stderr);
    return result.stdout;
  };
  const claims = { sub: 'repo:team/app', aud: registry.url, repository: 'team/app', ref: 'refs/heads/main' };

  test('pushes to the one repository that its rule names, and nowhere else', async () => {
    const token = await provider.jobToken(claims);
    await push('team/app', token, 1);
    const trust = ['--issuer', provider.issuer, '--audience', registry.url, '--claim', 'repository=team/app'];
    await rule('add', 'app', 'team/app', 'writer', ...trust);
    await push('team/app', token, 0);
    const elsewhere = await push('team/other', token, 1);
    assert.match(elsewhere.stderr, /denied|unauthorized|forbidden/i);
    await push('team/app', await provider.jobToken({ ...claims, repository: 'team/other' }), 1);
    assert.match(await rule('list'), /^app {2}writer {2}team\/app {2}http:\/\/127.* repository=team\/app\n$/);
    await rule('remove', 'app');
    await push('team/app', token, 1);
  });
});
