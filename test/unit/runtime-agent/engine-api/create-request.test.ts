import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { JsonError, JsonFields } from '../../../../lib/json/json-fields.ts';
import { decodeCreateRequest } from '../../../../runtime-agent/engine-api/decode/create-request.ts';
import { EngineError, type EngineErrorCode } from '../../../../runtime-agent/errors.ts';
import { fc } from '../../../support/properties.ts';
import { DOCKER_RUN_BODY, dockerRunBody } from './fakes/docker-run-body.ts';
import { FAKE_HOST } from './fakes/start-fake-engine.ts';

const decode = (body: Readonly<Record<string, unknown>>, query = '') =>
  decodeCreateRequest(new JsonFields(body), new URLSearchParams(query), FAKE_HOST);

function refusal(body: Readonly<Record<string, unknown>>, code: EngineErrorCode, message: RegExp): void {
  assert.throws(
    () => decode(body),
    (error: unknown) => {
      assert.ok(error instanceof EngineError || error instanceof JsonError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    },
  );
}

describe('the body of docker run', () => {
  test('is taken as the CLI sends it, with the defaults of the Engine API', () => {
    const { config, hostConfig, name, platform } = decode(DOCKER_RUN_BODY);
    assert.equal(name, undefined);
    assert.equal(platform, undefined);
    assert.deepEqual(config.Cmd, ['sh', '-c', 'exit 3']);
    assert.equal(config.Entrypoint, null);
    assert.deepEqual(config.Env, []);
    assert.equal(config.Image, 'busybox');
    assert.equal(hostConfig.AutoRemove, true);
    assert.equal(hostConfig.NetworkMode, 'bridge');
    assert.equal(hostConfig.ShmSize, 67108864);
    assert.deepEqual(hostConfig.LogConfig, { Type: 'json-file', Config: {} });
    assert.deepEqual(hostConfig.RestartPolicy, { Name: 'no', MaximumRetryCount: 0 });
  });

  test('keeps what was asked for', () => {
    const request = decode(
      dockerRunBody(
        {
          StopSignal: 'INT',
          StopTimeout: 0,
          Entrypoint: [''],
          Env: ['A=b', 'C'],
          ExposedPorts: { '80/tcp': {} },
        },
        {
          Memory: 64 << 20,
          PidsLimit: 9,
          NetworkMode: 'none',
          ConsoleSize: [24, 80],
          Ulimits: [{ Name: 'nofile', Hard: 2, Soft: 1 }],
        },
      ),
      'name=web&platform=linux%2Famd64',
    );
    assert.equal(request.name, 'web');
    assert.equal(request.platform, 'linux/amd64');
    assert.deepEqual(request.hostConfig.ConsoleSize, [24, 80]);
    assert.equal(request.config.StopSignal, 'INT');
    assert.equal(request.config.StopTimeout, 0);
    assert.deepEqual(request.config.Entrypoint, ['']);
    assert.deepEqual(request.config.ExposedPorts, { '80/tcp': {} });
    assert.equal(request.hostConfig.Memory, 64 << 20);
    assert.equal(request.hostConfig.MemorySwap, 128 << 20);
    assert.equal(request.hostConfig.NetworkMode, 'none');
    assert.deepEqual(request.hostConfig.Ulimits, [{ Name: 'nofile', Soft: 1, Hard: 2 }]);
  });

  test('may leave out everything but the image', () => {
    assert.deepEqual(decode({ Image: 'a' }).config.Labels, {});
    assert.equal(decode({ Image: 'a', Cmd: 'ls' }).config.Cmd?.[0], 'ls');
  });
});

describe('a body of another client', () => {
  test('may have names in any case, names that nobody knows, and null for what it leaves out', () => {
    const { config, hostConfig, networks } = decode({
      image: 'a',
      CMD: ['x'],
      name: 'k',
      NoSuchField: { deep: [1] },
      env: null,
      stoptimeout: null,
      healthcheck: null,
      labels: { Keep: 'Case', none: null },
      hostconfig: {
        annotations: { A: 'b' },
        autoremove: true,
        SomethingNew: 'x',
        portbindings: { '80/tcp': [{ hostport: '8080' }, null], '81': null },
        mounts: [{ type: 'tmpfs', target: '/t', tmpfsoptions: { sizebytes: 9 } }],
        ulimits: [{ name: 'nofile', soft: 1, hard: 2 }],
        restartpolicy: { name: 'always' },
        networkmode: 'front',
      },
      networkingconfig: { endpointsconfig: { front: { aliases: ['w'], ipamconfig: null }, back: null } },
    });
    assert.deepEqual([config.Image, config.Cmd, config.Env, config.StopTimeout], ['a', ['x'], [], undefined]);
    assert.deepEqual(config.Labels, { Keep: 'Case', none: '' });
    assert.deepEqual([hostConfig.Annotations, hostConfig.AutoRemove], [{ A: 'b' }, true]);
    assert.deepEqual(hostConfig.PortBindings, {
      '80/tcp': [
        { HostIp: '', HostPort: '8080' },
        { HostIp: '', HostPort: '' },
      ],
      '81/tcp': [],
    });
    assert.deepEqual(hostConfig.Mounts[0]?.TmpfsOptions, { SizeBytes: 9, Mode: 0 });
    assert.deepEqual(hostConfig.Ulimits, [{ Name: 'nofile', Soft: 1, Hard: 2 }]);
    assert.equal(hostConfig.RestartPolicy.Name, 'always');
    assert.deepEqual(Object.keys(networks ?? {}), ['front', 'back']);
    assert.deepEqual(networks?.front?.aliases, ['w']);
  });
  test('without network has none', () => {
    assert.equal(decode({ Image: 'a', NetworkDisabled: true }).hostConfig.NetworkMode, 'none');
  });
});

describe('what the agent cannot do is refused by name', () => {
  const asked: readonly [name: string, value: unknown, message: RegExp][] = [
    ['UsernsMode', 'keep-id', /--userns/],
    ['DeviceRequests', [{ Count: -1, Capabilities: [['gpu']] }], /--gpus/],
    ['StorageOpt', { size: '10G' }, /--storage-opt/],
    ['Isolation', 'hyperv', /--isolation/],
    ['KernelMemory', 1 << 20, /--kernel-memory/],
    ['deviceRequests', [{ Count: -1 }], /HostConfig\.DeviceRequests/],
    ['CpuCount', 1, /HostConfig\.CpuCount/],
  ];
  for (const [name, value, message] of asked) {
    test(`HostConfig.${name}`, () =>
      refusal(dockerRunBody({}, { [name]: value }), 'not-implemented', message));
  }
  test('a link that is none', () =>
    refusal(
      dockerRunBody({ NetworkingConfig: { EndpointsConfig: { back: { Links: 'db' } } } }),
      'bad-request',
      /Links/,
    ));
  test('another runtime', () =>
    refusal(dockerRunBody({}, { Runtime: 'kata' }), 'bad-request', /runtime name: kata/));
});

describe('devices', () => {
  const devices = (...list: readonly object[]) =>
    decode(dockerRunBody({}, { Devices: list })).hostConfig.Devices;
  const NULL = { PathOnHost: '/dev/null', PathInContainer: '/dev/null', CgroupPermissions: 'rwm' };

  test('come in three fields, or in one that the client left whole', () => {
    assert.deepEqual(devices(NULL), [NULL]);
    assert.deepEqual(
      devices(
        { PathOnHost: '/dev/null' },
        { PathOnHost: '/dev/null:r' },
        { PathOnHost: '/dev/null:/dev/x' },
        { PathOnHost: '/dev/null:/dev/x:rw', PathInContainer: '', CgroupPermissions: '' },
      ),
      [
        NULL,
        { ...NULL, CgroupPermissions: 'r' },
        { ...NULL, PathInContainer: '/dev/x' },
        { PathOnHost: '/dev/null', PathInContainer: '/dev/x', CgroupPermissions: 'rw' },
      ],
    );
  });

  test('that are none are refused', () => {
    for (const path of ['null', '/dev/a:/dev/b:rw:x', '/dev/a:b:rw', '']) {
      refusal(dockerRunBody({}, { Devices: [{ PathOnHost: path }] }), 'bad-request', /invalid device/);
    }
    refusal(
      dockerRunBody({}, { Devices: [{ ...NULL, CgroupPermissions: 'x' }] }),
      'bad-request',
      /device mode/,
    );
  });
});

describe('namespaces', () => {
  const modes = (host: Readonly<Record<string, unknown>>) => {
    const { PidMode, IpcMode, UTSMode, CgroupnsMode } = decode(dockerRunBody({}, host)).hostConfig;
    return [PidMode, IpcMode, UTSMode, CgroupnsMode];
  };

  test("are the container's own unless it asks for others", () => {
    assert.deepEqual(modes({}), ['', 'private', '', 'host']);
    assert.deepEqual(
      modes({ PidMode: 'host', IpcMode: 'shareable', UTSMode: 'host', CgroupnsMode: 'private' }),
      ['host', 'shareable', 'host', 'private'],
    );
    assert.deepEqual(modes({ PidMode: 'container:a', IpcMode: 'container:b' }).slice(0, 2), [
      'container:a',
      'container:b',
    ]);
  });

  test('that are none are refused', () => {
    refusal(dockerRunBody({}, { PidMode: 'container:' }), 'bad-request', /invalid PID mode/);
    refusal(dockerRunBody({}, { IpcMode: 'x' }), 'bad-request', /invalid IPC mode: x/);
    refusal(dockerRunBody({}, { UTSMode: 'x' }), 'bad-request', /invalid UTS mode: x/);
    refusal(dockerRunBody({}, { CgroupnsMode: 'x' }), 'bad-request', /invalid CGROUP mode: x/);
  });
});

test('null and zero differ where both mean something', () => {
  const { hostConfig } = decode(
    dockerRunBody({}, { MemorySwappiness: 0, MaskedPaths: [], ReadonlyPaths: ['/a'] }),
  );
  assert.equal(hostConfig.MemorySwappiness, 0);
  assert.deepEqual(hostConfig.MaskedPaths, []);
  assert.deepEqual(hostConfig.ReadonlyPaths, ['/a']);
  const plain = decode(dockerRunBody({}, { MemorySwappiness: -1 })).hostConfig;
  assert.deepEqual([plain.MemorySwappiness, plain.MaskedPaths, plain.ReadonlyPaths], [null, null, null]);
});

describe('wrong fields', () => {
  const wrong: readonly [body: Readonly<Record<string, unknown>>, message: RegExp][] = [
    [{}, /Image is empty/],
    [dockerRunBody({ Image: 7 }), /^Image must be a string$/],
    [dockerRunBody({ Cmd: [1] }), /^Cmd must be a list of strings$/],
    [dockerRunBody({ Tty: 'yes' }), /^Tty must be true or false$/],
    [dockerRunBody({ Labels: { a: 1 } }), /^Labels must be an object of strings$/],
    [dockerRunBody({ ExposedPorts: { http: {} } }), /invalid port in ExposedPorts: http/],
    [dockerRunBody({ Healthcheck: { Test: 'true' } }), /^Healthcheck\.Test must be a list of strings$/],
    [dockerRunBody({ Healthcheck: { Interval: '1s' } }), /^Healthcheck\.Interval must be an integer$/],
    [dockerRunBody({ StopTimeout: 1.5 }), /^StopTimeout must be an integer$/],
    [dockerRunBody({}, { Memory: '64m' }), /^HostConfig\.Memory must be an integer$/],
    [dockerRunBody({}, { Memory: 2 ** 60 }), /^HostConfig\.Memory must be an integer$/],
    [dockerRunBody({}, { LogConfig: [] }), /^HostConfig\.LogConfig must be an object$/],
    [dockerRunBody({}, { ConsoleSize: [1, -1] }), /ConsoleSize must be two numbers/],
    [dockerRunBody({}, { Ulimits: ['nofile'] }), /^HostConfig\.Ulimits must be a list of objects$/],
    [{ Image: 'a', HostConfig: 'x' }, /^HostConfig must be an object$/],
    [
      { Image: 'a', NetworkingConfig: { EndpointsConfig: { bridge: 1 } } },
      /EndpointsConfig\.bridge must be an object/,
    ],
  ];
  for (const [body, message] of wrong) {
    test(message.source, () => refusal(body, 'bad-request', message));
  }

  test('no JSON whatever makes it throw anything but an answer of 4xx or 501', () => {
    const names = [...Object.keys(DOCKER_RUN_BODY), 'StopTimeout', 'ExposedPorts'];
    const hostNames = Object.keys(DOCKER_RUN_BODY.HostConfig as object);
    const changes = (keys: readonly string[]) =>
      fc.dictionary(fc.constantFrom(...keys), fc.jsonValue(), { maxKeys: 4 });
    fc.assert(
      fc.property(changes(names), changes(hostNames), (top, host) => {
        try {
          decode(dockerRunBody(top, host));
        } catch (error) {
          assert.ok(error instanceof EngineError || error instanceof JsonError, String(error));
        }
      }),
    );
  });
});
