import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MountRequest } from '../../../../../runtime-agent/containers/mount-request.ts';
import { cleanPath, parseBind } from '../../../../../runtime-agent/containers/plan/bind-text.ts';
import {
  inheritedMounts,
  planMountPoints,
  planTmpfs,
} from '../../../../../runtime-agent/containers/plan/mount-points.ts';

const NOTHING = { Binds: [], Mounts: [], Tmpfs: {}, VolumeDriver: '' } as const;
const request = (changes: Partial<MountRequest>): MountRequest => ({
  Type: 'volume',
  Source: '',
  Target: '/data',
  ReadOnly: false,
  ...changes,
});

const INHERITED = {
  type: 'volume' as const,
  name: 'old',
  source: '/v/old/_data',
  destination: '/data',
  mode: '',
  writable: true,
  propagation: '' as const,
  recursive: true,
  copyUp: false,
  subpath: '',
};

describe('parseBind', () => {
  it('tells a path of the host from a volume', () => {
    assert.deepEqual(parseBind('/srv//a/./b/../c:/data:ro'), {
      source: { path: '/srv/a/c' },
      destination: '/data',
      mode: 'ro',
      writable: false,
      propagation: 'rprivate',
      copyUp: false,
    });
    assert.deepEqual(parseBind('data:/data/'), {
      source: { volume: 'data' },
      destination: '/data',
      mode: 'z',
      writable: true,
      propagation: '',
      copyUp: true,
    });
    assert.deepEqual(parseBind('/data').source, { volume: undefined });
    assert.equal(parseBind('/data').mode, 'z');
    assert.equal(parseBind('data:/data:nocopy,z').copyUp, false);
    assert.equal(parseBind('/a:/b:rslave').propagation, 'rslave');
  });

  for (const text of [
    '',
    ':',
    'a:',
    ':/a',
    'a:b:c:d',
    'a:b',
    '/a:/b:ro:rw',
    '/a:/b:ro,rw',
    '/a:/',
    'a:/..',
    '/a:/b:x',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseBind(text), { code: 'bad-request', message: /invalid/ });
    });
  }

  it("follows the host in what holds the agent's own folder, or lies in it", () => {
    const of = (text: string) => parseBind(text, '/srv/data').propagation;
    for (const source of ['/', '/srv', '/srv/data', '/srv/data/containers', '/srv/data/../data/x']) {
      assert.equal(of(`${source}:/b`), 'rslave', source);
      assert.equal(of(`${source}:/b:ro,rslave`), 'rslave', source);
      assert.equal(of(`${source}:/b:rshared`), 'rshared', source);
      for (const other of ['private', 'rprivate', 'slave', 'shared']) {
        assert.throws(() => of(`${source}:/b:${other}`), {
          code: 'bad-request',
          message:
            /must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root/,
        });
      }
    }
    for (const source of ['/srv/database', '/sr', '/srv/data2/x'])
      assert.equal(of(`${source}:/b`), 'rprivate');
    const mount = request({ Type: 'bind', Source: '/srv/data/x' });
    const plan = (BindOptions: MountRequest['BindOptions']) =>
      planMountPoints(
        {},
        { ...NOTHING, Mounts: [{ ...mount, ...(BindOptions && { BindOptions }) }] },
        [],
        '/srv/data',
      );
    assert.equal(plan(undefined)[0]?.propagation, 'rslave');
    const options = { Propagation: 'private', NonRecursive: false, CreateMountpoint: false };
    assert.throws(() => plan(options), { code: 'bad-request', message: /within the daemon root/ });
  });

  it('knows no propagation of volumes', () => {
    assert.equal(parseBind('/a:/b:rshared').propagation, 'rshared');
    assert.throws(() => parseBind('a:/b:rshared'), { code: 'bad-request', message: /invalid mode/ });
  });
});

describe('planMountPoints', () => {
  it('refuses a part of a volume that lies outside of it', () => {
    const plan = (Subpath: string) => {
      const VolumeOptions = { NoCopy: false, Labels: {}, Subpath };
      const request = { Type: 'volume' as const, Source: 'v1', Target: '/x', ReadOnly: false, VolumeOptions };
      return planMountPoints({}, { ...NOTHING, Mounts: [request] }, []);
    };
    for (const path of ['../y', 'a/../../y', '/y', '..']) {
      assert.throws(() => plan(path), {
        code: 'bad-request',
        message: 'invalid mount config for type "volume": subpath must be a relative path within the volume',
      });
    }
    assert.deepEqual(
      plan('a/..b').map(({ subpath }) => subpath),
      ['a/..b'],
    );
  });

  it('gives the places of the image a volume each, where nothing else is', () => {
    const plans = planMountPoints(
      { Volumes: { '/data': {}, '/logs/': {}, '/scratch': {} } },
      { ...NOTHING, Binds: ['named:/data'], Tmpfs: { '/scratch': '' } },
      [],
    );
    assert.deepEqual(
      plans.map(({ destination, from }) => [destination, from]),
      [
        ['/data', { kind: 'volume', request: { driver: '', name: 'named' } }],
        ['/logs', { kind: 'volume', request: { driver: '' } }],
      ],
    );
  });

  it('lets what is asked for win over what comes from another container', () => {
    assert.deepEqual(planMountPoints({}, NOTHING, [INHERITED])[0]?.from, {
      kind: 'volume',
      request: { name: 'old', mustExist: true },
    });
    const [own, ...others] = planMountPoints({}, { ...NOTHING, Binds: ['/a:/data'] }, [INHERITED]);
    assert.equal(own?.type, 'bind');
    assert.equal(others.length, 0);
  });

  it('inherits a maximum of mount points, however they were multiplied', () => {
    const mounts = Array.from({ length: 1024 }, (_, index) => ({ ...INHERITED, destination: `/${index}` }));
    const donor = (times: number) => Array.from({ length: times }, () => 'donor:ro');
    const four = inheritedMounts(donor(4), () => mounts);
    assert.equal(four.length, 4096);
    assert.ok(four.every(({ writable }) => !writable));
    const asked: string[] = [];
    const ask = (container: string) => {
      asked.push(container);
      return mounts;
    };
    assert.throws(() => inheritedMounts(donor(1024), ask), {
      code: 'bad-request',
      message: /more than 4096 mount points/,
    });
    assert.equal(asked.length, 5);
  });

  it('takes volumes without a leading slash from the root', () => {
    assert.equal(planMountPoints({ Volumes: { 'data/x': {} } }, NOTHING, [])[0]?.destination, '/data/x');
  });

  it('reads --mount', () => {
    const [volume, bind] = planMountPoints(
      {},
      {
        ...NOTHING,
        Mounts: [
          request({
            Source: 'data',
            ReadOnly: true,
            VolumeOptions: { NoCopy: true, Labels: { a: 'b' }, Subpath: 'x/y' },
          }),
          request({
            Type: 'bind',
            Source: '/srv/',
            Target: '/srv',
            BindOptions: { Propagation: 'rslave', NonRecursive: true, CreateMountpoint: false },
          }),
        ],
      },
      [],
    );
    assert.deepEqual(volume?.from, {
      kind: 'volume',
      request: { driver: '', name: 'data', labels: { a: 'b' }, options: {} },
    });
    assert.deepEqual([volume?.writable, volume?.copyUp, volume?.subpath], [false, false, 'x/y']);
    assert.deepEqual(bind?.from, { kind: 'bind', path: '/srv', missing: 'refuse' });
    assert.deepEqual([bind?.propagation, bind?.recursive], ['rslave', false]);
  });

  const refused: readonly (readonly [Partial<typeof NOTHING> | object, RegExp])[] = [
    [{ Binds: ['/a:/data', 'b:/data/'] }, /Duplicate mount point: \/data/],
    [{ Binds: ['/a:/data'], Tmpfs: { '/data': '' } }, /Duplicate mount point: \/data/],
    [{ Binds: ['/a:/data'], Mounts: [request({ Type: 'tmpfs' })] }, /Duplicate mount point: \/data/],
    [{ Mounts: [request({ Target: '' })] }, /field Target must not be empty/],
    [
      { Mounts: [request({ Target: 'data' })] },
      /^invalid mount config for type "volume": invalid mount path: 'data' mount path must be absolute$/,
    ],
    [
      { Binds: ['/tmp:relative'] },
      /^invalid volume specification: '\/tmp:relative': invalid mount config for type "bind": invalid mount path: /,
    ],
    [{ Binds: ['v1:/'] }, /'v1:\/': .*type "volume": invalid specification: destination can't be '\/'$/],
    [{ Binds: ['/tmp:/x:ro,rw'] }, /^invalid mode: ro,rw$/],
    [{ Binds: ['/tmp:/x:nocopy'] }, /field VolumeOptions must not be specified$/],
    [{ Mounts: [request({ Type: 'bind' })] }, /field Source must not be empty/],
    [{ Mounts: [request({ Type: 'bind', Source: 'srv' })] }, /must be absolute/],
  ];
  for (const [host, message] of refused) {
    it(`refuses ${JSON.stringify(host).slice(0, 90)}`, () => {
      assert.throws(() => planMountPoints({}, { ...NOTHING, ...host }, []), { code: 'bad-request', message });
    });
  }
});

describe('planTmpfs', () => {
  it('writes --mount type=tmpfs in the words of --tmpfs', () => {
    const mounts = [
      request({ Type: 'tmpfs', ReadOnly: true, TmpfsOptions: { SizeBytes: 4096, Mode: 0o1770 } }),
    ];
    assert.deepEqual(planTmpfs(mounts), [{ destination: '/data', options: 'size=4096,mode=1770,ro' }]);
    assert.throws(() => planTmpfs([request({ Type: 'tmpfs', Source: 'x' })]), /Source must not be specified/);
  });
});

describe('cleanPath', () => {
  it('leaves nothing that leads up', () => {
    assert.equal(cleanPath('/a/../../b/./c//'), '/b/c');
    assert.equal(cleanPath('/..'), '/');
  });
});
