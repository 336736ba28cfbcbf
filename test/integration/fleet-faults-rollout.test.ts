import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { healthyReport } from '../support/fleet-registry.ts';
import { type ObedientHost, obey, openWorld, UNWATCHED } from '../support/fleet-world.ts';
import { waitUntil } from '../support/wait-until.ts';

const world = await openWorld({ after }, []);
const { registry, image } = world;
const good = await world.push('one');
const bad = await world.push('bad', 'bad');

/** Hosts of one test alone, and an app on them. */
async function openStage(name: string, count = 2) {
  const hosts: ObedientHost[] = [];
  for (let number = 1; number <= count; number += 1) {
    const host = await obey(registry, `${name}${number}`, { stage: name });
    host.breaks.add(bad);
    hosts.push(host);
  }
  const app = `team/${name}`;
  const path = `/apps/${encodeURIComponent(app)}`;
  const deploy = (services: object = {}, more: object = {}) =>
    world.deploy(
      {
        compose: { services: { web: { image, ...UNWATCHED, ...services } }, ...more },
        on: { stage: name },
      },
      app,
    );
  const call = async (method: string, what: string, body?: object) => {
    const answer = await registry.manage(method, `${path}/${what}`, body);
    const text = await answer.text();
    return { status: answer.status, text, body: text === '' ? undefined : JSON.parse(text) };
  };
  const state = async () => (await world.history(app))[0]?.state;
  return {
    app,
    hosts,
    first: hosts[0] as ObedientHost,
    deploy,
    call,
    until: (wanted: string) => waitUntil(`it is ${wanted}`, async () => (await state()) === wanted),
    ended: async () => (await world.ended(app)).state,
    history: () => world.history(app),
    ps: () => world.ps(app),
  };
}

const badImage = image.replace(/:main$/, ':bad');

describe('in the middle of a rollout', { concurrency: true }, () => {
  test('a host that is removed does not keep the rollout from its end', async () => {
    const stage = await openStage('removed', 3);
    for (const host of stage.hosts.slice(1)) host.holds.add(stage.app);
    assert.equal((await stage.deploy()).status, 201);
    await waitUntil('the second wave begins', () => stage.hosts[1]?.apps.has(stage.app) === true);
    assert.equal((await registry.manage('DELETE', '/hosts/removed3')).status, 204);
    stage.hosts[1]?.answer(stage.app);
    stage.hosts[1]?.holds.clear();
    assert.equal(await stage.ended(), 'done');
    assert.deepEqual(
      (await stage.ps()).map(({ host }) => host),
      ['removed1', 'removed2'],
    );
    assert.equal((await stage.deploy({ environment: { TRY: '2' } })).status, 201);
    assert.equal(await stage.ended(), 'done');
  });

  test('a rollback by hand while the registry goes back leads to the release that was healthy', async () => {
    const stage = await openStage('twice', 1);
    await stage.deploy();
    await stage.ended();
    await stage.deploy({ environment: { RELEASE: '2' } });
    assert.equal(await stage.ended(), 'done');
    // The way back takes until the host says that it is there.
    stage.first.holds.add(stage.app);
    await stage.deploy({ image: badImage });
    await waitUntil('the host is told', () => stage.first.told.at(-1) === '3');
    stage.first.answer(stage.app);
    await stage.until('rolling back');
    stage.first.holds.clear();
    const answer = await stage.call('POST', 'rollback', {});
    assert.equal(answer.status, 201, answer.text);
    await waitUntil('the host is told the rollback', () => stage.first.told.at(-1) === '4');
    assert.equal(await stage.ended(), 'done');
    const [newest, third] = await stage.history();
    assert.deepEqual(newest?.cause, { kind: 'rollback', by: 'admin', to: 2 });
    assert.equal(third?.state, 'superseded');
  });

  test('another deploy while the registry goes back is what counts', async () => {
    const stage = await openStage('again', 1);
    await stage.deploy();
    await stage.ended();
    stage.first.holds.add(stage.app);
    await stage.deploy({ image: badImage });
    await waitUntil('the host is told', () => stage.first.told.at(-1) === '2');
    stage.first.answer(stage.app);
    await stage.until('rolling back');
    stage.first.holds.clear();
    assert.equal((await stage.deploy({ environment: { RELEASE: '3' } })).status, 201);
    assert.equal(await stage.ended(), 'done');
    assert.deepEqual(
      (await stage.history()).map(({ state }) => state),
      ['done', 'superseded', 'done'],
    );
    assert.deepEqual(
      (await stage.ps()).map(({ release }) => release),
      [3],
    );
  });

  test('a rollback of a rollback leads to the release before it', async () => {
    const stage = await openStage('back', 1);
    for (const release of ['1', '2']) {
      await stage.deploy({ environment: { RELEASE: release } });
      assert.equal(await stage.ended(), 'done');
    }
    for (const to of [1, 2]) {
      assert.equal((await stage.call('POST', 'rollback', {})).status, 201);
      assert.equal(await stage.ended(), 'done');
      assert.deepEqual((await stage.history())[0]?.cause, { kind: 'rollback', by: 'admin', to });
    }
  });

  test('a new secret, a restart or another count of a release whose jobs are not over runs them', async () => {
    const stage = await openStage('jobs', 1);
    await stage.call('PUT', 'secrets/TOKEN', { value: 'eA==' });
    const changes = [
      () => stage.call('PUT', 'secrets/TOKEN', { value: 'eQ==' }),
      () => stage.call('POST', 'restart', {}),
      () => stage.call('POST', 'scale', { service: 'web', replicas: 1 }),
    ];
    for (const [index, change] of changes.entries()) {
      stage.first.holds.add(stage.app);
      const environment = { RELEASE: `${index}` };
      const compose = {
        services: {
          web: {
            image,
            environment,
            secrets: ['TOKEN'],
            depends_on: { migrate: { condition: 'service_completed_successfully' } },
            ...UNWATCHED,
          },
          migrate: { image, environment, ...UNWATCHED },
        },
        secrets: { TOKEN: { external: true } },
      };
      const told = stage.first.told.length;
      const deployed = await world.deploy({ compose, on: { stage: 'jobs' } }, stage.app);
      assert.equal(deployed.status, 201, await deployed.text());
      await waitUntil('the host is told', () => stage.first.told.length > told);
      const made = await change();
      assert.ok(made.status < 300, made.text);
      await waitUntil('the host is told again', () => stage.first.told.length > told + 1);
      const jobs = stage.first.apps.get(stage.app)?.release.services.filter(({ job }) => job);
      assert.deepEqual(
        jobs?.map(({ spec }) => spec.name),
        ['migrate'],
      );
      stage.first.holds.clear();
      stage.first.answer(stage.app);
      assert.equal(await stage.ended(), 'done');
    }
    // They are over now.
    await stage.call('POST', 'restart', {});
    assert.equal(await stage.ended(), 'done');
    assert.ok(!stage.first.apps.get(stage.app)?.release.services.some(({ job }) => job));
  });

  test('a host that drains, and one that joins, count once it has ended', async () => {
    const stage = await openStage('moving', 2);
    for (const host of stage.hosts) host.holds.add(stage.app);
    await stage.deploy();
    await waitUntil('the first host is told', () => stage.hosts.some(({ told }) => told.length > 0));
    await registry.manage('PATCH', '/hosts/moving2', { draining: true });
    const late = await obey(registry, 'moving3', { stage: 'moving' });
    for (const host of stage.hosts) {
      host.holds.clear();
      host.answer(stage.app);
    }
    assert.equal(await stage.ended(), 'done');
    await waitUntil('it has moved', async () => {
      const hosts = (await stage.ps()).map(({ host }) => host);
      return hosts.join() === 'moving1,moving3';
    });
    assert.deepEqual(late.told, ['1']);
  });
});

test('reports of releases and attempts that never were end no rollout', async () => {
  const stage = await openStage('lies', 1);
  stage.first.holds.add(stage.app);
  await stage.deploy();
  await waitUntil('the host is told', () => stage.first.told.length > 0);
  const attempt = stage.first.apps.get(stage.app)?.attempt ?? 0;
  const lies = [
    { release: 999, attempt },
    { release: 1, attempt: attempt + 1 },
    { release: 1, attempt: 0 },
    { release: 0, attempt },
  ];
  for (const lie of lies) {
    const reports = [{ ...healthyReport(stage.app), ...lie }];
    assert.equal((await stage.first.host.post('/reports', { reports })).status, 204);
    const { body } = await stage.call('GET', 'rollout');
    assert.equal(body.state, 'rolling', JSON.stringify(lie));
  }
  stage.first.breaks.add(good);
  stage.first.answer(stage.app);
  assert.equal(await stage.ended(), 'failed');
});

describe('two at once', { concurrency: true }, () => {
  test('of two deploys of an app one wins, and the other gets a sentence', async () => {
    const stage = await openStage('race', 1);
    const answers = await Promise.all([1, 2, 3].map((n) => stage.deploy({ environment: { N: `${n}` } })));
    const made = answers.filter(({ status }) => status === 201);
    // One that begins after another one was recorded takes its place.
    assert.ok(made.length > 0);
    for (const answer of answers.filter((one) => !made.includes(one))) {
      assert.equal(answer.status, 409);
      assert.match(await answer.text(), /another change of team\/race was made at the same time/);
    }
    assert.equal(await stage.ended(), 'done');
    assert.equal((await stage.history()).length, made.length);
  });

  test('of secrets that are set while others deploy, each is set and runs in the end', async () => {
    const stage = await openStage('secrets', 1);
    const compose = {
      services: { web: { image, secrets: ['TOKEN', 'KEY'], ...UNWATCHED } },
      secrets: { TOKEN: { external: true }, KEY: { external: true } },
    };
    const set = (name: string, value: string) => stage.call('PUT', `secrets/${name}`, { value });
    await set('TOKEN', 'eA==');
    await set('KEY', 'eA==');
    await world.deploy({ compose, on: { stage: 'secrets' } }, stage.app);
    assert.equal(await stage.ended(), 'done');
    const deploying = [1, 2, 3, 4].map((number) => {
      const web = { ...compose.services.web, environment: { N: `${number}` } };
      return world.deploy({ compose: { ...compose, services: { web } } }, stage.app);
    });
    const answers = await Promise.all([set('TOKEN', 'eQ=='), set('KEY', 'eQ=='), set('TOKEN', 'eg==')]);
    await Promise.all(deploying);
    assert.deepEqual(
      answers.map(({ status, text }) => [status, status === 200 ? '' : text]),
      [1, 2, 3].map(() => [200, '']),
    );
    await waitUntil('the newest run', () => {
      const { release } = stage.first.apps.get(stage.app) ?? {};
      const versions = release?.secrets.map(({ name, version }) => `${name} ${version}`).sort();
      return versions?.join() === 'KEY 2,TOKEN 3';
    });
  });

  test('of two first deploys that want a port of one host, one is refused', async () => {
    const host = await obey(registry, 'ports1', { stage: 'ports' });
    host.holds.add('team/ports-a').add('team/ports-b');
    const deploy = (app: string, published = '8080') =>
      world.deploy(
        {
          compose: { services: { web: { image, ports: [`${published}:80`], ...UNWATCHED } } },
          on: { stage: 'ports' },
        },
        app,
      );
    const answers = await Promise.all([deploy('team/ports-a'), deploy('team/ports-b')]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 422]);
    const refused = answers.find(({ status }) => status === 422);
    assert.match(String(await refused?.text()), /8080.*the app team\/ports-[ab]/);
    // So is one that comes later, while the first rollout is still under way.
    assert.equal((await deploy('team/ports-c')).status, 422);
    assert.equal((await deploy('team/ports-c', '8081')).status, 201);
  });
});

test('an app of the name of one that was removed keeps nothing of it', async () => {
  const stage = await openStage('reborn', 1);
  const compose = {
    services: { web: { image, secrets: ['TOKEN'], ...UNWATCHED } },
    secrets: { TOKEN: { external: true } },
  };
  const hashOf = () => stage.first.apps.get(stage.app)?.release.services[0]?.hash;
  await stage.call('PUT', 'secrets/TOKEN', { value: 'eA==' });
  await world.deploy({ compose, on: { stage: 'reborn' } }, stage.app);
  await stage.ended();
  const before = hashOf();
  assert.equal((await registry.manage('DELETE', `/apps/${encodeURIComponent(stage.app)}`)).status, 204);
  await stage.call('PUT', 'secrets/TOKEN', { value: 'eQ==' });
  await world.deploy({ compose, on: { stage: 'reborn' } }, stage.app);
  assert.equal(await stage.ended(), 'done');
  assert.notEqual(before, undefined);
  assert.notEqual(hashOf(), before);
});
