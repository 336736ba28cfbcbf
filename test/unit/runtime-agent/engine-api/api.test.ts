import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { EngineError } from '../../../../runtime-agent/errors.ts';
import { callEngine } from './fakes/call-engine.ts';
import { DOCKER_RUN_BODY } from './fakes/docker-run-body.ts';
import { makeImage } from './fakes/fake-images.ts';
import { startFakeEngine } from './fakes/start-fake-engine.ts';

const engine = await startFakeEngine({ after });
engine.images.images = [makeImage('busybox:latest'), makeImage('127.0.0.1:5000/team/app:1', '9')];
const call = (method: string, path: string, options = {}) => callEngine(engine.socket, method, path, options);
const message = (text: string) => (JSON.parse(text) as { readonly message: string }).message;

describe('version negotiation', () => {
  test('a ping tells the API version, with GET and HEAD', async () => {
    for (const method of ['HEAD', 'GET']) {
      const { status, headers, text } = await call(method, '/_ping');
      assert.equal(status, 200);
      assert.equal(headers['api-version'], '1.45');
      assert.equal(headers.ostype, 'linux');
      assert.equal(headers['builder-version'], '2');
      assert.equal(headers['docker-experimental'], 'false');
      assert.match(String(headers.server), /^Berth\//);
      assert.equal(text, method === 'GET' ? 'OK' : '');
    }
  });
  test('any version from 1.24 to 1.45, or none', async () => {
    for (const prefix of ['', '/v1.24', '/v1.45']) {
      assert.equal((await call('GET', `${prefix}/version`)).status, 200);
    }
  });
  test('others are refused in words that clients know', async () => {
    const tooNew = await call('GET', '/v1.99/version');
    assert.equal(tooNew.status, 400);
    assert.equal(
      message(tooNew.text),
      'client version 1.99 is too new. Maximum supported API version is 1.45',
    );
    const tooOld = await call('GET', '/v1.20/version');
    assert.equal(tooOld.status, 400);
    assert.match(
      message(tooOld.text),
      /^client version 1\.20 is too old\. Minimum supported API version is 1\.24,/,
    );
  });
});

describe('what older clients read', () => {
  const read = async (path: string) => JSON.parse((await call('GET', path)).text);
  test('is the size of an image by its old name, and the container that it came from', async () => {
    for (const [version, virtual, origin] of [
      ['1.24', true, true],
      ['1.43', true, true],
      ['1.44', false, true],
      ['1.45', false, false],
    ] as const) {
      const [listed] = await read(`/v${version}/images/json`);
      assert.equal(listed.VirtualSize, virtual ? listed.Size : undefined);
      const image = await read(`/v${version}/images/busybox/json`);
      assert.equal(image.VirtualSize, virtual ? image.Size : undefined);
      assert.equal(image.ContainerConfig?.Hostname, origin ? '' : undefined);
      assert.equal('Container' in image, false);
    }
  });
  test('is the ID of a container among its aliases', async () => {
    const body = {
      Image: 'busybox',
      HostConfig: { NetworkMode: 'front' },
      NetworkingConfig: { EndpointsConfig: { front: { Aliases: ['web'] } } },
    };
    await call('POST', '/networks/create', { body: { Name: 'front' } });
    const created = await call('POST', '/containers/create?name=aliased', { body });
    const { Id } = JSON.parse(created.text);
    for (const [version, aliases] of [
      ['1.44', ['web', Id.slice(0, 12)]],
      ['1.45', ['web']],
    ] as const) {
      const { NetworkSettings, Config } = await read(`/v${version}/containers/aliased/json`);
      const own = version === '1.44' && Config.Hostname !== '' ? [Config.Hostname] : [];
      assert.deepEqual(NetworkSettings.Networks.front.Aliases, [...new Set([...aliases, ...own])]);
    }
    await call('DELETE', '/containers/aliased');
    await call('DELETE', '/networks/front');
  });
});

describe('errors', () => {
  test('are JSON with a line feed, and an exact content type', async () => {
    const { status, headers, text } = await call('GET', '/v1.45/nothing/here');
    assert.equal(status, 404);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['api-version'], '1.45');
    assert.equal(text, '{"message":"page not found"}\n');
  });
  test('each code has its status', async () => {
    const cases = [
      ['bad-request', 400],
      // A 401 would make the CLI ask for a password in the middle of a pull.
      ['unauthorized', 500],
      ['not-found', 404],
      ['conflict', 409],
      ['not-implemented', 501],
      ['registry', 500],
      ['runtime', 500],
      ['storage-full', 507],
    ] as const;
    for (const [code, status] of cases) {
      engine.images.failure = new EngineError(code, `because ${code}`);
      const answer = await call('POST', '/images/create?fromImage=a&tag=1');
      assert.deepEqual([answer.status, message(answer.text)], [status, `because ${code}`]);
    }
    engine.images.failure = undefined;
  });
  test('of bodies', async () => {
    const cases: readonly [options: object, status: number, message: RegExp][] = [
      [
        { body: '{}', headers: { 'content-type': 'text/plain' } },
        400,
        /^unsupported Content-Type header \(text\/plain\): must be 'application\/json'$/,
      ],
      [{ body: '{', headers: { 'content-type': 'application/json' } }, 400, /^invalid JSON: /],
      [{ body: '', headers: { 'content-type': 'application/json' } }, 400, /^Image is empty/],
      [{}, 400, /^Image is empty/],
      [
        { body: '[]', headers: { 'content-type': 'application/json; charset=utf-8' } },
        400,
        /expected an object/,
      ],
      [{ body: { Image: 'a', pad: 'x'.repeat(2 ** 20) } }, 400, /larger than 1048576 bytes/],
      [{ body: { Image: 'nosuch' } }, 404, /^No such image: nosuch:latest$/],
    ];
    for (const [options, status, pattern] of cases) {
      const answer = await call('POST', '/v1.45/containers/create', options);
      assert.equal(answer.status, status, answer.text);
      assert.match(message(answer.text), pattern);
    }
  });
  test('of queries and paths', async () => {
    const cases: readonly [method: string, path: string, status: number, message: RegExp][] = [
      ['GET', '/containers/json?filters={', 400, /invalid filter/],
      [
        'GET',
        '/containers/json?filters={"publish":["x"]}',
        400,
        /looking up for publish x: strconv.ParseUint/,
      ],
      ['GET', '/containers/json?filters={"expose":["8/y"]}', 400, /looking up for expose 8\/y/],
      [
        'GET',
        '/containers/json?filters={"health":["fine"]}',
        400,
        /unrecognized filter value for health: fine/,
      ],
      ['GET', '/containers/json?filters={"status":["flying"]}', 400, /status=flying/],
      ['GET', '/containers/json?limit=x', 400, /limit must be an integer/],
      ['GET', '/events?since=yesterday', 400, /since must be seconds/],
      ['POST', '/images/create', 400, /fromImage is empty/],
      ['GET', '/images/search', 400, /term is empty/],
      ['GET', '/images/search?term=a&limit=101', 400, /outside the range of \[1, 100\]/],
      ['GET', '/images/search?term=a&filters={"stars":["many"]}', 400, /invalid filter/],
      [
        'POST',
        '/images/create?fromImage=a&tag=1&platform=x',
        400,
        /^"x": unknown operating system or architecture: invalid argument$/,
      ],
      ['POST', '/images/create?fromImage=a&platform=a/b/c/d', 400, /cannot parse platform specifier/],
      ['POST', '/images/create?fromImage=a&platform=a/%20', 400, /is an invalid component of "a\/ "/],
      ['POST', '/images/busybox/tag?repo=x&tag=sha256:y', 400, /^invalid tag format$/],
      ['POST', '/images/busybox/tag', 400, /repo is empty/],
      ['GET', '/images/%ZZ/json', 400, /invalid escape/],
      ['GET', 'http://[/', 400, /^invalid request URI$/],
      ['GET', '/containers/nosuch/json', 404, /^No such container: nosuch$/],
      ['GET', '/containers/nosuch/logs', 400, /at least one stream/],
      ['POST', '/containers/nosuch/wait?condition=tea', 400, /invalid condition: "tea"/],
      ['POST', '/containers/nosuch/attach', 404, /^No such container: nosuch$/],
      ['POST', '/containers/nosuch/resize?h=1', 400, /w must be a terminal size/],
    ];
    for (const [method, path, status, pattern] of cases) {
      const answer = await call(method, path.replaceAll('{', '%7B').replaceAll('"', '%22'));
      assert.equal(answer.status, status, `${path}: ${answer.text}`);
      assert.match(message(answer.text), pattern);
    }
  });
});

describe('what is not there', () => {
  test('gets the clean answers that docker inspect looks for', async () => {
    for (const [path, text] of [
      ['/networks/x', 'network x not found'],
      ['/volumes/x', 'get x: no such volume'],
      ['/plugins/x/json', 'plugin "x" not found'],
    ] as const) {
      const answer = await call('GET', `/v1.45${path}`);
      assert.deepEqual([answer.status, message(answer.text)], [404, text]);
    }
    const networks: { Name: string }[] = JSON.parse((await call('GET', '/networks')).text);
    assert.deepEqual(
      networks.map(({ Name }) => Name),
      ['bridge', 'host', 'none'],
    );
    assert.deepEqual(JSON.parse((await call('GET', '/volumes')).text), { Volumes: [], Warnings: null });
  });
  test('has no plugins, and checks the requests for them', async () => {
    for (const [method, path, type, body, status, text] of [
      ['POST', '/plugins/x/set', 'text/plain', '[]', 400, /unsupported Content-Type header \(text\/plain\)/],
      ['POST', '/plugins/x/upgrade', 'application/json', '{x', 400, /^invalid JSON: invalid character 'x'/],
      ['POST', '/plugins/pull', 'application/json', '[] x', 400, /unexpected content after JSON/],
      ['POST', '/plugins/x/set', 'application/json', '{}', 400, /expected an array/],
      ['POST', '/plugins/x/set', 'application/json', '["A=b"]', 404, /^plugin "x" not found$/],
      ['POST', '/plugins/x/set', 'application/json', '', 404, /^plugin "x" not found$/],
      ['POST', '/plugins/a/b:c/enable', undefined, '', 404, /^plugin "a\/b:c" not found$/],
      ['DELETE', '/plugins/x', undefined, '', 404, /^plugin "x" not found$/],
      ['POST', '/plugins/pull', 'application/json', '[]', 400, /^invalid reference format/],
      ['POST', '/plugins/pull?remote=x', 'application/json', '[]', 501, /^docker plugin is not supported/],
      ['GET', '/plugins/privileges?remote=x', undefined, '', 501, /^docker plugin is not supported/],
      ['GET', '/plugins?filters={"x":["y"]}', undefined, '', 400, /^invalid filter 'x'/],
    ] as const) {
      const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type };
      const answer = await call(method, path, { headers, body });
      assert.deepEqual([path, answer.status], [path, status]);
      assert.match(message(answer.text), text);
    }
  });
  test('is named as not supported yet where Docker has it', async () => {
    for (const [method, path, name] of [
      ['GET', '/containers/x/attach/ws', 'attaching by WebSocket'],
      ['POST', '/swarm/init', 'Swarm'],
    ] as const) {
      const answer = await call(method, `/v1.45${path}`);
      assert.deepEqual(
        [answer.status, message(answer.text)],
        [501, `${name} is not supported yet by berth-agent`],
      );
    }
    // Portainer, Ansible and others take this for an engine that is in no swarm.
    for (const path of ['/swarm', '/services', '/nodes/x', '/secrets']) {
      const answer = await call('GET', path);
      assert.equal(answer.status, 503);
      assert.match(message(answer.text), /^This node is not a swarm manager/);
    }
    assert.equal((await call('GET', '/_ping')).headers.swarm, 'inactive');
  });
});

describe('images', () => {
  test('are found by names with slashes and colons', async () => {
    const answer = await call('GET', '/v1.45/images/127.0.0.1:5000/team/app:1/json');
    assert.equal(answer.status, 200);
    assert.deepEqual(JSON.parse(answer.text).RepoTags, ['127.0.0.1:5000/team/app:1']);
  });
  test('are listed by reference', async () => {
    const list = async (reference: string) => {
      const filters = encodeURIComponent(JSON.stringify({ reference: { [reference]: true } }));
      const { text } = await call('GET', `/images/json?filters=${filters}`);
      return (JSON.parse(text) as { RepoTags: string[] }[]).flatMap(({ RepoTags }) => RepoTags);
    };
    assert.deepEqual(await list('busybox'), ['busybox:latest']);
    assert.deepEqual(await list('127.0.0.1:5000/*/app:1'), ['127.0.0.1:5000/team/app:1']);
    assert.deepEqual(await list('nosuch'), []);
  });
});

test('a created container shows in list and inspect', async () => {
  const created = await call('POST', '/v1.45/containers/create?name=web', {
    body: { ...DOCKER_RUN_BODY, Labels: { tier: 'front' } },
  });
  assert.equal(created.status, 201);
  const { Id, Warnings } = JSON.parse(created.text);
  assert.deepEqual(Warnings, []);
  assert.equal((await call('GET', '/containers/json')).text, '[]');
  const filters = encodeURIComponent('{"label":{"tier=front":true}}');
  const [row] = JSON.parse((await call('GET', `/containers/json?all=1&filters=${filters}`)).text);
  assert.equal(row.Id, Id);
  assert.deepEqual(row.Names, ['/web']);
  assert.equal(row.Command, "sh -c 'exit 3'");
  assert.equal(row.Status, 'Created');
  assert.deepEqual(row.Labels, { tier: 'front' });
  const inspected = JSON.parse((await call('GET', `/containers/${Id.slice(0, 12)}/json`)).text);
  assert.equal(inspected.Name, '/web');
  assert.equal(inspected.HostConfig.NetworkMode, 'bridge');
  assert.equal(inspected.State.Health, undefined);
  assert.equal((await call('DELETE', '/containers/web')).status, 204);
  assert.equal((await call('POST', '/containers/web/start')).status, 404);
});

test('volumes with options are not pruned, and names are found by expressions', async () => {
  const options = { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' };
  for (const body of [{ Name: 'kept', DriverOpts: options }, { Name: 'gone' }]) {
    assert.equal((await call('POST', '/volumes/create', { body })).status, 201);
  }
  const found = async (pattern: string) => {
    const filters = encodeURIComponent(JSON.stringify({ name: [pattern] }));
    const { Volumes }: { Volumes: { Name: string }[] } = JSON.parse(
      (await call('GET', `/volumes?filters=${filters}`)).text,
    );
    return Volumes.map(({ Name }) => Name);
  };
  assert.deepEqual(await found('^(kept|gone)$'), ['gone', 'kept']);
  assert.deepEqual(await found('^one'), []);
  const filters = encodeURIComponent('{"all":["true"]}');
  const pruned = JSON.parse((await call('POST', `/volumes/prune?filters=${filters}`)).text);
  assert.deepEqual(pruned, { VolumesDeleted: ['gone'], SpaceReclaimed: 0 });
  assert.equal((await call('DELETE', '/volumes/kept')).status, 204);
});

test('volumes with names are pruned by clients before version 1.42', async () => {
  await call('POST', '/volumes/create', { body: { Name: 'named' } });
  const named = JSON.parse((await call('POST', '/v1.42/volumes/prune')).text);
  assert.deepEqual(named, { VolumesDeleted: [], SpaceReclaimed: 0 });
  const none = encodeURIComponent('{"all":["false"]}');
  const kept = JSON.parse((await call('POST', `/v1.41/volumes/prune?filters=${none}`)).text);
  assert.deepEqual(kept, { VolumesDeleted: [], SpaceReclaimed: 0 });
  assert.deepEqual(JSON.parse((await call('POST', '/v1.41/volumes/prune')).text).VolumesDeleted, ['named']);
});

test('a container has one network at its creation for clients before version 1.44', async () => {
  const networking = { EndpointsConfig: { b: {}, a: {} } };
  const create = (version: string) =>
    call('POST', `/v${version}/containers/create?name=several`, {
      body: { Image: 'busybox', NetworkingConfig: networking },
    });
  const refused = await create('1.43');
  assert.deepEqual(
    [refused.status, message(refused.text)],
    [400, 'Container cannot be created with multiple network endpoints: a, b'],
  );
  assert.equal((await create('1.44')).status, 201);
  await call('DELETE', '/containers/several');
});

test('information has what version 1.24 told of execution drivers, and the time to the nanosecond', async () => {
  for (const [version, driver] of [
    ['1.24', '<not supported>'],
    ['1.25', undefined],
  ] as const) {
    const info = JSON.parse((await call('GET', `/v${version}/info`)).text);
    assert.equal(info.ExecutionDriver, driver);
    assert.match(info.SystemTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  }
});

test('BuildKit is refused without an upgrade to h2c, in the words of its session manager', async () => {
  for (const path of ['/session', '/grpc', '/v1.45/session']) {
    const none = await call('POST', path);
    assert.equal(none.status, 400);
    assert.match(message(none.text), /^no upgrade proto in request/);
    for (const headers of [{ Upgrade: 'foo' }, { Upgrade: 'foo', Connection: 'Upgrade' }]) {
      const other = await call('POST', path, { headers });
      assert.equal(other.status, 400);
      assert.match(message(other.text), /^protocol foo not supported/);
    }
    // As dockerd, which does not look at Connection. This engine has no builder to upgrade to.
    for (const headers of [{ Upgrade: 'h2c' }, { Upgrade: 'H2C', Connection: 'Upgrade' }]) {
      const taken = await call('POST', path, { headers });
      assert.deepEqual([taken.status, message(taken.text)], [501, 'this agent builds nothing']);
    }
  }
});

test('the memory of a container is shareable for clients before version 1.40', async () => {
  for (const [version, mode] of [
    ['1.39', 'shareable'],
    ['1.40', 'private'],
  ] as const) {
    await call('POST', `/v${version}/containers/create?name=ipc`, { body: { Image: 'busybox' } });
    assert.equal(JSON.parse((await call('GET', '/containers/ipc/json')).text).HostConfig.IpcMode, mode);
    await call('DELETE', '/containers/ipc');
  }
});

test("a MAC address of the whole container is its main network's, and shown", async () => {
  const mac = '02:42:ac:11:00:99';
  const networking = { EndpointsConfig: { bridge: { MacAddress: '02:42:ac:11:00:98' } } };
  const create = (version: string, body: object = {}) =>
    call('POST', `/v${version}/containers/create?name=mac`, {
      body: { Image: 'busybox', MacAddress: mac, ...body },
    });
  const refused = await create('1.45', { NetworkingConfig: networking });
  assert.match(refused.text, /container-wide MAC address must match the endpoint-specific MAC address/);
  for (const [version, warnings] of [
    ['1.44', 1],
    ['1.43', 0],
  ] as const) {
    assert.equal(JSON.parse((await create(version)).text).Warnings.length, warnings);
    const { Config } = JSON.parse((await call('GET', '/containers/mac/json')).text);
    assert.equal(Config.MacAddress, mac);
    assert.equal(engine.containers.requests.at(-1)?.networks?.bridge?.mac, mac);
    await call('DELETE', '/containers/mac');
  }
});

test('images made before the earliest of several moments', async () => {
  const filters = encodeURIComponent('{"until":["1h","1970-01-01T00:00:01Z"]}');
  assert.deepEqual(JSON.parse((await call('GET', `/images/json?filters=${filters}`)).text), []);
});

test('a volume that somebody takes while volumes are pruned stays, and the others go', async () => {
  for (const Name of ['first', 'second', 'third']) await call('POST', '/volumes/create', { body: { Name } });
  const { volumes } = engine;
  const remove = volumes.remove.bind(volumes);
  volumes.remove = async (name, force) => {
    if (name === 'second') await volumes.acquire({ name }, 'container');
    await remove(name, force);
  };
  const filters = encodeURIComponent('{"all":["true"]}');
  const pruned = await call('POST', `/volumes/prune?filters=${filters}`);
  volumes.remove = remove;
  volumes.release('second', 'container');
  assert.deepEqual([pruned.status, JSON.parse(pruned.text).VolumesDeleted], [200, ['first', 'third']]);
  assert.equal((await call('DELETE', '/volumes/second')).status, 204);
});

test('start and stop of what is so already are 304 without a body', async () => {
  await call('POST', '/containers/create?name=twice', { body: { Image: 'busybox', Cmd: ['sleep', '60'] } });
  assert.equal((await call('POST', '/containers/twice/start')).status, 204);
  const again = await call('POST', '/containers/twice/start');
  assert.deepEqual([again.status, again.text], [304, '']);
  assert.equal((await call('DELETE', '/containers/twice')).status, 409);
  assert.equal((await call('POST', '/containers/twice/stop?t=0')).status, 204);
  assert.equal((await call('POST', '/containers/twice/stop')).status, 304);
  assert.equal((await call('POST', '/containers/twice/kill')).status, 409);
});

test('container ls asks for as much with 200 containers as with one', async (t) => {
  const { images, containers, socket } = await startFakeEngine(t);
  images.images = [makeImage('busybox:latest'), makeImage('app:1', '9')];
  let asked = 0;
  const count = (object: object, name: string, method: (...args: never[]) => unknown) => {
    const counted = (...args: never[]) => {
      asked += 1;
      return method.apply(object, args);
    };
    Object.assign(object, { [name]: counted });
  };
  const create = async (number: number) => {
    const body = { Image: number % 2 === 0 ? 'busybox' : 'app:1', Cmd: ['true'] };
    await callEngine(socket, 'POST', `/containers/create?name=c${number}`, { body });
  };
  for (const number of [0, 1]) await create(number);
  for (const name of ['get', 'list'] as const) {
    count(images, name, images[name]);
    count(containers, name, containers[name]);
  }
  const list = async () => {
    asked = 0;
    const { text } = await callEngine(socket, 'GET', '/containers/json?all=1');
    return [JSON.parse(text).length, asked];
  };
  const [, askedForTwo] = await list();
  for (let number = 2; number < 200; number += 1) await create(number);
  assert.deepEqual(await list(), [200, askedForTwo]);
});
