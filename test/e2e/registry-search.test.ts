import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startDockerd } from '../support/dockerd.ts';
import { setUpPodman } from '../support/podman.ts';
import { createRegistryClient, OCI_CONFIG, OCI_MANIFEST } from '../support/registry-client.ts';
import { type RegistryProcess, startRegistry } from '../support/registry-process.ts';
import { unlessRoot } from '../support/unless-root.ts';

const options = { skip: unlessRoot(), timeout: 900_000 };
const adminPassword = 'right-password';
const DESCRIPTION = 'org.opencontainers.image.description';

/** Three repositories: one described by an annotation, one by a label, one not at all. */
async function stock({ url }: RegistryProcess, user?: { readonly name: string; readonly password: string }) {
  const client = createRegistryClient(url, user);
  const { manifest } = await client.pushImage('team/plain', '1');
  await client.pushBlob('team/annotated', JSON.stringify({ os: 'linux', architecture: 'amd64', tag: '1' }));
  await client.pushBlob('team/annotated', 'the layer of team/plain:1');
  await client.pushManifest('team/annotated', '1', {
    ...manifest,
    annotations: { [DESCRIPTION]: 'Carries the mail' },
  });
  const config = await client.pushBlob(
    'labelled',
    JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      config: { Labels: { [DESCRIPTION]: 'Sorts the mail' } },
    }),
  );
  await client.pushManifest('labelled', '1', {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { ...config, mediaType: OCI_CONFIG },
    layers: [],
  });
}

/** The columns of a table, by two or more spaces. */
function rows(stdout: string): string[][] {
  return stdout
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/ {2,}/));
}

test('docker search finds names and descriptions', options, async (t) => {
  const registry = await startRegistry(t);
  await stock(registry);
  const { docker } = await startDockerd(t);
  const search = async (term: string, ...args: readonly string[]) =>
    rows((await docker(['search', ...args, `${registry.host}/${term}`])).stdout).map(
      ([name, description]) => ({
        name,
        description,
      }),
    );
  const annotated = { name: 'team/annotated', description: 'Carries the mail' };
  const labelled = { name: 'labelled', description: 'Sorts the mail' };
  assert.deepEqual(await search('mail'), [labelled, annotated]);
  assert.deepEqual(
    (await search('team')).map(({ name }) => name),
    ['team/annotated', 'team/plain'],
  );
  assert.deepEqual(await search('mail', '--limit=1'), [labelled]);
  assert.deepEqual(await search('nothing-of-this-name'), []);
});

test('docker search sends the credentials of docker login', options, async (t) => {
  const registry = await startRegistry(t, { adminPassword });
  await stock(registry, { name: 'admin', password: adminPassword });
  const { docker } = await startDockerd(t);
  const search = ['search', `${registry.host}/plain`];
  const refused = await docker(search, { expectExit: 'any' });
  assert.notEqual(refused.exitCode, 0);
  await docker(['login', '--username=admin', '--password-stdin', registry.host], { input: adminPassword });
  assert.match((await docker(search)).stdout, /team\/plain/);
});

async function podmanOf(t: TestContext) {
  const { podman } = await setUpPodman(t);
  return (...args: readonly string[]) => podman(['search', '--tls-verify=false', ...args]);
}

test('podman search finds repositories, and the tags of one', options, async (t) => {
  const registry = await startRegistry(t);
  await stock(registry);
  const search = await podmanOf(t);
  assert.deepEqual(rows((await search(`${registry.host}/mail`)).stdout), [
    [`${registry.host}/labelled`, 'Sorts the mail'],
    [`${registry.host}/team/annotated`, 'Carries the mail'],
  ]);
  const tags = await search('--list-tags', `${registry.host}/team/plain`);
  assert.deepEqual(rows(tags.stdout), [[`${registry.host}/team/plain`, '1']]);
});
