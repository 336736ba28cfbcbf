import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { checkEntries } from '../../../../runtime-agent/bounds.ts';
import { callEngine } from './fakes/call-engine.ts';
import { DOCKER_RUN_BODY, dockerRunBody } from './fakes/docker-run-body.ts';
import { makeImage } from './fakes/fake-images.ts';
import { startFakeEngine } from './fakes/start-fake-engine.ts';

const engine = await startFakeEngine({ after });
engine.images.images = [makeImage('busybox:latest')];

const count = (length: number) => Array.from({ length }, (_, index) => index.toString(36));
const list = count(60_000);
const map = Object.fromEntries(list.map((key) => [key, '']));

/** Fields of docker's own body that are lists or maps, null or empty there. */
function collections(body: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.keys(body).filter((name) => {
    const value = body[name];
    return value === null || (typeof value === 'object' && Object.keys(value).length === 0);
  });
}

async function refusal(path: string, body: object): Promise<string> {
  const { status, text } = await callEngine(engine.socket, 'POST', path, { body });
  assert.equal(status, 400, text);
  return (JSON.parse(text) as { readonly message: string }).message;
}

describe('60,000 entries are refused with a sentence', () => {
  const inHost = collections(DOCKER_RUN_BODY.HostConfig as Readonly<Record<string, unknown>>);
  for (const name of inHost.concat(['Mounts', 'Tmpfs', 'Sysctls', 'Annotations'])) {
    test(`HostConfig.${name}`, async () => {
      for (const value of [list, map]) {
        const message = await refusal('/containers/create', dockerRunBody({}, { [name]: value }));
        assert.match(message, new RegExp(`^HostConfig.${name} has 60000 entries: the maximum is \\d+$`));
      }
    });
  }
  for (const name of collections(DOCKER_RUN_BODY).concat(['Cmd', 'ExposedPorts', 'Shell'])) {
    test(name, async () => {
      const message = await refusal('/containers/create', dockerRunBody({ [name]: list }));
      assert.match(message, new RegExp(`^${name} has 60000 entries: the maximum is \\d+$`));
    });
  }
  test('in any case, and deep inside', async () => {
    assert.match(await refusal('/containers/create', dockerRunBody({ labels: map })), /^labels has/);
    const deep = { NetworkingConfig: { EndpointsConfig: { bridge: { Aliases: list } } } };
    assert.match(
      await refusal('/containers/create', dockerRunBody(deep)),
      /^NetworkingConfig.EndpointsConfig.bridge.Aliases has 60000 entries/,
    );
    assert.match(
      await refusal('/networks/create', { Name: 'n', IPAM: { Config: list } }),
      /^IPAM.Config has 60000 entries: the maximum is 256$/,
    );
    assert.match(await refusal('/volumes/create', { Labels: map }), /^Labels has 60000 entries/);
  });
});

test('what people send is far below the maximum', () => {
  const body = dockerRunBody(
    { Cmd: count(20_000), Env: count(2000), Labels: Object.fromEntries(count(1000).map((key) => [key, ''])) },
    { Binds: count(500), PortBindings: Object.fromEntries(count(10_001).map((key) => [key, [{}]])) },
  );
  checkEntries(body);
});

test('nesting without end is no reason to fail', () => {
  checkEntries(JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)));
});
