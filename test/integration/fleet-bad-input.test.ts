import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { waitForRollout } from '../../server/cli/fleet/wait-for-rollout.ts';
import { RegistryApi } from '../../server/cli/remote/registry-api.ts';
import { ADMIN } from '../support/fleet-registry.ts';
import { APP, openWorld, UNWATCHED } from '../support/fleet-world.ts';
import { startProcess } from '../support/managed-process.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const world = await openWorld({ after }, ['web1', 'web2']);
const folder = await makeTempDir({ after }, 'bad-input');
const good = await world.push('good');
await world.push('arm', 'arm', 'arm64');
const { image } = world;

const file = join(folder, 'compose.yaml');
const writeCompose = (text: string) => writeFile(file, text.replaceAll('IMAGE', image));
const deploy = async (text: string, ...args: readonly string[]) => {
  await writeCompose(text);
  const { exitCode, stderr } = await world.berth('deploy', APP, file, ...args);
  return { exitCode, said: stderr.trimEnd().replaceAll(`${folder}/`, '').replaceAll(image, 'IMAGE') };
};
const variable = (inner: string) => `\${${inner}}`;
const told = () => world.hosts.map((host) => host.told.join());

describe('a file that cannot be deployed', () => {
  before(async () => {
    await world.deploy(
      { compose: { services: { web: { image, ports: ['8080:80'], ...UNWATCHED } } } },
      'team/other',
    );
    assert.equal((await world.ended('team/other')).state, 'done');
    const made = await deploy('services: {web: {image: "IMAGE", deploy: {update_config: {monitor: 0s}}}}');
    assert.deepEqual(made, { exitCode: 0, said: made.said }, made.said);
  });

  for (const { what, text, said } of [
    {
      what: 'keys that are unknown or not supported',
      text: 'services:\n  web:\n    image: IMAGE\n    privilged: true\n    mac_address: 02:42:ac:11:00:02\n    deploy:\n      replica: 2',
      said: [
        'compose.yaml:4:5: services.web.privilged: unknown key "privilged": did you mean "privileged"?',
        'compose.yaml:5:5: services.web.mac_address: remove it: the old and the new instance run at the same time during an update, so neither can have this exclusively',
        'compose.yaml:7:7: services.web.deploy.replica: unknown key "replica": did you mean "replicas"?',
      ],
    },
    {
      what: 'a cycle',
      text: 'services:\n  a:\n    image: IMAGE\n    depends_on: [b]\n  b: {image: IMAGE, depends_on: [a]}',
      said: ['compose.yaml:4:5: services.a.depends_on: is a cycle: a -> b -> a'],
    },
    {
      what: 'a variable that is not set, where something must be',
      text: `services:\n  web:\n    image: IMAGE\n    volumes:\n      - "${variable('MEDIA')}:/media"`,
      said: [
        'compose.yaml: the variable MEDIA is not set: it is replaced by an empty text',
        'compose.yaml:5:9: services.web.volumes[0]: the volume before the colon is missing',
      ],
    },
    {
      what: 'variables that are not set or not closed',
      text: `services:\n  web:\n    image: IMAGE\n    user: ${variable('NOBODY:?say who')}\n    command: [echo, "${variable('OPEN').slice(0, -1)}"]`,
      said: [
        'compose.yaml:4:5: services.web.user: the variable NOBODY must be set: say who',
        `compose.yaml:5:21: services.web.command[1]: has a ${variable('').slice(0, -1)} without its }: write $$ for a dollar sign`,
      ],
    },
    {
      what: 'a text that is no YAML',
      text: 'services:\n  web: {image: IMAGE}\n  web: {image: IMAGE}',
      said: ['compose.yaml:3:3: Map keys must be unique'],
    },
    {
      what: 'images that are not there, or in another registry',
      text: 'services:\n  web:\n    image: IMAGE-none\n  db:\n    command: x\n    image: postgres:18',
      said: [
        'compose.yaml:3:5: services.web.image: IMAGE-none is not in this registry: push it first',
        'compose.yaml:6:5: services.db.image: postgres:18 is in another registry: push it to this one, or name it as postgres@sha256:…',
      ],
    },
    {
      what: 'an image without a platform of the hosts',
      text: 'services:\n  web:\n    image: IMAGE\n  arm:\n    image: ARM',
      said: [
        'compose.yaml:5:5: services.arm.image: web1 is linux/amd64, and the image is for linux/arm64',
        'compose.yaml:5:5: services.arm.image: web2 is linux/amd64, and the image is for linux/arm64',
      ],
    },
    {
      what: 'a port of another app',
      text: 'services:\n  web:\n    image: IMAGE\n    ports:\n      - 8080:8080',
      said: ['web1', 'web2'].map(
        (host) =>
          `compose.yaml:4:5: services.web.ports: ${host} has port 8080/tcp in use by the app team/other`,
      ),
    },
    {
      what: 'a port of two services',
      text: 'services:\n  a:\n    image: IMAGE\n    ports: ["81:80"]\n  b:\n    image: IMAGE\n    ports: ["81:81"]',
      said: ['web1', 'web2'].map(
        (host) => `compose.yaml:7:5: services.b.ports: ${host} has port 81/tcp in use by the service a`,
      ),
    },
    {
      what: 'too few hosts for what it asks',
      text: 'services:\n  web:\n    image: IMAGE\n    deploy:\n      replicas: 3\n      placement: {max_replicas_per_node: 1}\n  db:\n    image: IMAGE\n    deploy: {placement: {constraints: [node.labels.disk == ssd]}}',
      said: [
        'compose.yaml:4:5: services.web.deploy: wants 3 instances, but its hosts can have only 2, at most 1 on each',
        'compose.yaml:9:5: services.db.deploy: no host of the app meets its constraints',
      ],
    },
    {
      what: 'a volume that only one instance may have',
      text: 'services:\n  a:\n    image: IMAGE\n    volumes: ["data:/a"]\n  b:\n    image: IMAGE\n    volumes: ["data:/b"]\nvolumes:\n  data: {x-berth: {exclusive: true}}',
      said: ['web1', 'web2'].map(
        (host) =>
          `compose.yaml:7:5: services.b.volumes: ${host} has the exclusive volume data in use by the service a`,
      ),
    },
    {
      what: 'a secret without a value',
      text: 'services:\n  web:\n    image: IMAGE\n    secrets: [KEY]\nsecrets:\n  KEY: {external: true}',
      said: [
        'compose.yaml:6:3: secrets.KEY: it has no value: set it by "berth secret set team/shop KEY < FILE"',
      ],
    },
  ]) {
    test(`is refused with key, line and column, and nothing changes: ${what}`, async () => {
      const before = told();
      const source = text.replaceAll('ARM', image.replace(':main', ':arm'));
      assert.deepEqual(await deploy(source), { exitCode: 2, said: said.join('\n') });
      assert.equal((await world.history()).length, 1);
      assert.deepEqual(told(), before);
    });
  }

  test('is refused for hosts that are not there, with what to do', async () => {
    const { exitCode, said } = await deploy('services: {web: {image: IMAGE}}', '--on', 'role=none');
    assert.deepEqual([exitCode, said], [2, 'compose.yaml: no host has role=none']);
  });

  for (const { what, text, said } of [
    {
      what: 'an alias bomb',
      text: `${[...Array(30).keys()].map((n) => (n === 0 ? 'x0: &x0 [a, a]' : `x${n}: &x${n} [*x${n - 1}, *x${n - 1}]`)).join('\n')}\nservices: {web: {image: IMAGE}}`,
      said: /compose\.yaml:\d+:\d+: has more than 20000 values/,
    },
    {
      what: 'deep nesting',
      text: `services: {web: {image: IMAGE, x-a: ${'['.repeat(5000)}${']'.repeat(5000)}}}`,
      said: /nested deeper|too deep|larger|Maximum/,
    },
    {
      what: '1 MiB of keys',
      text: `services:\n  web:\n    image: IMAGE\n${[...Array(70_000).keys()].map((n) => `    k${n}: ${n}`).join('\n')}`,
      said: /has more than 20000 values|is larger than 1048576 bytes|has more than 1048576 bytes/,
    },
    {
      what: '__proto__',
      text: 'services:\n  web:\n    image: IMAGE\n    environment:\n      __proto__: {admin: true}',
      said: /compose\.yaml:4:5: services\.web\.environment: the key __proto__ is not allowed/,
    },
    {
      what: 'numbers beyond all bounds',
      text: 'services:\n  web:\n    image: IMAGE\n    stop_grace_period: 99999999999999999999h\n    pids_limit: 1e999\n    deploy: {replicas: 18446744073709551616}\n    mem_limit: 9999999999999999999g',
      said: /4:5: .*stop_grace_period: must be [^\n]*\n.*5:5: .*pids_limit: must be [^\n]*\n.*6:14: .*replicas: must be a whole number from 0 to 5000[^\n]*\n.*7:5: .*mem_limit: must be a size/,
    },
    {
      what: 'names that command a terminal',
      text: 'services:\n  "\\e[2Jweb": {image: IMAGE, "\\x9b2J\\u202e": 1}\n  web: {image: "IMAGE\\e]0;x\\a"}',
      said: /^[\P{C}\n]*\\u001b[\P{C}\n]*$/u,
    },
  ]) {
    test(`may be hostile: ${what}`, async () => {
      const result = await deploy(text);
      assert.equal(result.exitCode, 2, result.said.slice(0, 2000));
      assert.match(result.said.slice(0, 20_000), said);
      assert.equal((await world.history()).length, 1);
    });
  }
});

test('documents that no client would send are refused by the registry', async () => {
  const post = async (body: string) => {
    const answer = await fetch(`${world.registry.url}/api/v1/apps/team%2Fshop/releases`, {
      method: 'POST',
      headers: { authorization: ADMIN, 'content-type': 'application/json' },
      body,
    });
    return { status: answer.status, text: await answer.text() };
  };
  const services = (web: string) => `{"compose": {"services": {"web": ${web}}}}`;
  for (const [body, expected] of [
    [services(`{"image": "${image}", "__proto__": {"privileged": true}}`), /__proto__ is not allowed/],
    [services(`{"image": "${image}", "x-a": ${'['.repeat(3000)}${']'.repeat(3000)}}`), /nested deeper/],
    [services(`{"image": "${image}", "command": [${'"",'.repeat(30_000)}""]}`), /more than 20000 values/],
    [services(`{"image": "${image}", "user": 1e999}`), /must be a string/],
    [services(`{"image": "${image}", "constructor": {}, "toString": 1}`), /unknown key/],
    ['{"compose": {"services": {"toString": {"image": "x"}}}}', /is not a name/],
    ['{"compose": []}', /must be a mapping/],
    [`{"compose": {"x": "${'x'.repeat(1024 * 1024)}"}}`, /./],
  ] as const) {
    const { status, text } = await post(body);
    assert.ok([400, 413, 422].includes(status), `${status} ${text.slice(0, 500)}`);
    assert.match(text, expected);
  }
  assert.equal((await world.history()).length, 1);
});

describe('the exit code tells how a deployment ended', () => {
  const web = (user: string) =>
    `services: {web: {image: "IMAGE", user: ${user}, deploy: {update_config: {monitor: 0s}}}}`;

  test('3: it failed and was rolled back', async () => {
    const bad = await world.push('bad', 'bad');
    for (const host of world.hosts) host.breaks.add(bad);
    const { exitCode, said } = await deploy(web('a').replace('IMAGE', image.replace(':main', ':bad')));
    assert.equal(exitCode, 3, said);
    assert.match(said, /release \d+ failed and was rolled back: web1: web exited with 1$/);
  });

  test('130: Ctrl-C stops waiting, says how to look, and the rollout goes on', async (t) => {
    for (const host of world.hosts) host.isMute = true;
    await writeCompose(web('b'));
    const waiting = startProcess(t, process.execPath, [REGISTRY_PROGRAM, 'deploy', APP, file], {
      env: world.env,
    });
    await waiting.waitForLine(/release \d+ is rolling out/);
    assert.equal((await waiting.end('SIGINT')).code, 130);
    const { release } = (await world.history())[0] ?? {};
    assert.match(
      waiting.output(),
      new RegExp(
        `stopped waiting; release ${release} goes on: see "berth ps team/shop" and "berth history team/shop"`,
      ),
    );
    assert.equal((await world.history())[0]?.state, 'rolling');
    for (const host of world.hosts) host.speak();
    assert.equal((await world.ended()).state, 'done');
  });

  test('5: nothing has changed for longer than its time, and it goes on', async () => {
    for (const host of world.hosts) host.isMute = true;
    await writeCompose(web('c'));
    const made = await world.berth('deploy', APP, file, '--no-wait');
    const release = Number(/release (\d+)/.exec(made.stdout)?.[1]);
    const api = new RegistryApi(new URL(`${world.registry.url}/`), ADMIN);
    const signal = new AbortController().signal;
    const code = await waitForRollout(api, { app: APP, release, timeout: 500, margin: 0, signal });
    assert.equal(code, 5);
    assert.equal((await world.history())[0]?.state, 'rolling');
    for (const host of world.hosts) host.speak();
    assert.equal((await world.ended()).state, 'done');
  });

  test('4: complaint 4: the rollback failed as well, and nobody says otherwise', async () => {
    const worse = await world.push('worse', 'worse');
    for (const host of world.hosts) host.breaks.add(worse).add(good);
    const { exitCode, said } = await deploy(web('d').replace('IMAGE', image.replace(':main', ':worse')));
    assert.equal(exitCode, 4, said);
    assert.match(said, /failed, and so did the rollback: web1: .*; then release \d+ failed too: web1: /);
    const { stdout } = await world.berth('history', APP, '--limit', '1');
    assert.match(stdout, /^\d+ +rollback failed +deploy by admin /);
    for (const host of world.hosts) host.breaks.clear();
  });
});
