import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { agentMounts } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { defer } from '../support/cleanup.ts';
import { unmountUnder } from '../support/mounts.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

describe('volumes', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const shared = await ownMount('shared');
  const apart = await ownMount('private');
  const { agent, image } = await startAgentWithImage({ after });
  const { docker } = agent;
  const host = await makeTempDir({ after }, 'host');
  const out = async (...args: string[]) => (await docker(args)).stdout;
  const sh = (script: string, ...options: string[]) =>
    out('run', '--rm', ...options, image, 'sh', '-c', script);
  const refused = async (args: string[], expectExit = 1) => (await docker(args, { expectExit })).stderr;

  test('create, ls with filters, inspect, rm; a second create changes nothing', async () => {
    assert.equal(await out('volume', 'create', '--label', 'tier=db', 'data'), 'data\n');
    assert.equal(await out('volume', 'create', 'data'), 'data\n');
    await docker(['volume', 'create', 'other']);
    assert.equal(await out('volume', 'ls', '-q'), 'data\nother\n');
    assert.equal(await out('volume', 'ls', '-q', '--filter', 'label=tier=db'), 'data\n');
    assert.equal(await out('volume', 'ls', '-q', '--filter', 'name=oth'), 'other\n');
    const [volume] = JSON.parse(await out('volume', 'inspect', 'data'));
    assert.deepEqual(
      { ...volume, CreatedAt: '' },
      {
        CreatedAt: '',
        Driver: 'local',
        Labels: { tier: 'db' },
        Mountpoint: join(agent.dataDir, 'volumes/data/_data'),
        Name: 'data',
        Options: null,
        Scope: 'local',
      },
    );
    assert.equal(await out('volume', 'rm', 'data', 'other'), 'data\nother\n');
    assert.match(await refused(['volume', 'rm', 'data']), /get data: no such volume/);
    assert.match(await refused(['volume', 'inspect', 'data']), /get data: no such volume/);
    assert.deepEqual(await readdir(join(agent.dataDir, 'volumes')), []);
  });

  test('what a container writes to a volume, the next one reads; the volume cannot go while it is used', async () => {
    await sh('echo kept > /data/file; chown 1000:1000 /data/file', '-v', 'shared:/data');
    assert.equal(await sh('cat /data/file; stat -c %u /data/file', '-v', 'shared:/data:ro'), 'kept\n1000\n');
    assert.match(
      await refused(['run', '--rm', '-v', 'shared:/data:ro', image, 'touch', '/data/x']),
      /Read-only file system/,
    );
    await docker(['run', '-d', '--name', 'one', '-v', 'shared:/data', image, 'sleep', '100000']);
    await docker([
      'run',
      '-d',
      '--name',
      'two',
      '--volumes-from',
      'one:ro',
      image,
      'sh',
      '-c',
      'while :; do cat /data/live 2>&1; sleep 0.1; done',
    ]);
    assert.equal(
      await out(
        'inspect',
        '-f',
        '{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.RW}}{{end}}',
        'two',
      ),
      'volume shared /data false\n',
    );
    await sh('echo live > /data/live', '-v', 'shared:/data');
    await waitUntil('the other container sees it', async () => (await out('logs', 'two')).includes('live\n'));
    assert.match(
      await refused(['volume', 'rm', 'shared']),
      /volume is in use - \[[0-9a-f]{64}, [0-9a-f]{64}\]/,
    );
    await agent.kill();
    await agent.restart();
    assert.match(await refused(['volume', 'rm', 'shared']), /volume is in use/);
    assert.equal(await out('volume', 'ls', '-q', '--filter', 'dangling=false'), 'shared\n');
    await docker(['rm', '-f', 'one', 'two']);
    assert.equal(await out('volume', 'rm', 'shared'), 'shared\n');
  });

  test('an empty volume gets what the image has there, once, as it is', async () => {
    const list =
      'cd /etc && find . -mindepth 1 ! -name hosts ! -name hostname ! -name resolv.conf -exec stat -c "%n %a %u %g %h" {} + | sort';
    assert.equal(await sh(list, '-v', 'filled:/etc'), await sh(list));
    await sh('rm /etc/passwd', '-v', 'filled:/etc');
    assert.equal(await sh('ls /etc/passwd 2>/dev/null || echo gone', '-v', 'filled:/etc'), 'gone\n');
    assert.equal(await sh('ls -A /etc | grep -c passwd || :', '-v', 'bare:/etc:nocopy'), '0\n');
    await docker(['volume', 'rm', 'filled', 'bare']);
  });

  test('an empty folder of a volume gets what the image has there, the rest of the volume does not', async () => {
    await sh('mkdir -p /v/empty /v/full; touch /v/full/own', '-v', 'parts-filled:/v');
    const part = (name: string) => `--mount=type=volume,src=parts-filled,dst=/etc,volume-subpath=${name}`;
    await sh('true', part('empty'));
    await sh('true', part('full'));
    const inVolume = async (script: string) => await sh(script, '-v', 'parts-filled:/v');
    assert.equal(await inVolume('ls -A /v; ls -A /v/full | grep -c own'), 'empty\nfull\n1\n');
    assert.equal(await inVolume('cat /v/empty/passwd'), await sh('cat /etc/passwd'));
    assert.equal(await inVolume('ls /v/full/passwd 2>/dev/null || echo none'), 'none\n');
    await docker(['volume', 'rm', 'parts-filled']);
  });

  test('volumes without a name go with rm -v, --rm and prune', async () => {
    await sh('true', '-v', '/data');
    assert.equal(await out('volume', 'ls', '-q'), '');
    await docker(['run', '--name', 'anon', '-v', '/data', image, 'true']);
    const [name] = (await out('volume', 'ls', '-q')).split('\n');
    assert.match(String(name), /^[0-9a-f]{64}$/);
    await docker(['rm', 'anon']);
    assert.equal(await out('volume', 'ls', '-q', '--filter', 'dangling=true'), `${name}\n`);
    await docker(['volume', 'create', 'named']);
    assert.match(
      await out('volume', 'prune', '-f'),
      new RegExp(`Deleted Volumes:\n${name}\n\nTotal reclaimed space: 0B`),
    );
    assert.equal(await out('volume', 'ls', '-q'), 'named\n');
    assert.match(await out('volume', 'prune', '-af'), /Deleted Volumes:\nnamed\n/);
    await docker(['run', '--name', 'anon', '-v', '/data', image, 'true']);
    await docker(['rm', '-v', 'anon']);
    assert.equal(await out('volume', 'ls', '-q'), '');
  });

  test('a volume that was made without a name stays with the containers that name it', async () => {
    await docker(['create', '--name', 'anon', '-v', '/data', image, 'true']);
    const name = (await out('volume', 'ls', '-q')).trim();
    await docker(['rm', 'anon']);
    await sh('echo kept > /one/file', '-v', `${name}:/one`);
    await sh('true', '--mount', `type=volume,src=${name},dst=/two`);
    await docker(['run', '--name', 'donor', '-v', `${name}:/three`, image, 'true']);
    await docker(['run', '--name', 'heir', '--volumes-from', 'donor', image, 'true']);
    await docker(['rm', '-v', 'donor', 'heir']);
    assert.equal(await sh('cat /one/file', '-v', `${name}:/one`), 'kept\n');
    await docker(['volume', 'rm', name]);
  });

  test('folders and files of the host', async () => {
    const folder = join(host, 'made/by/-v');
    assert.equal(await sh('echo out > /host/file; cat /host/file', '-v', `${folder}:/host`), 'out\n');
    assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'out\n');
    assert.equal(await sh('cat /one', '--mount', `type=bind,src=${folder}/file,dst=/one,readonly`), 'out\n');
    assert.match(
      await refused(['run', '--rm', '--mount', `type=bind,src=${host}/nosuch,dst=/x`, image, 'true'], 125),
      /bind source path does not exist: .*nosuch/,
    );
    assert.match(
      await refused(['run', '--rm', '-v', `${folder}:/host:ro`, image, 'touch', '/host/x']),
      /Read-only file system/,
    );
    assert.equal(
      await sh(
        'stat -f -c %T /scratch; stat -c %a /scratch',
        '--mount',
        'type=tmpfs,dst=/scratch,tmpfs-mode=1770',
      ),
      'tmpfs\n1770\n',
    );
  });

  test('part of a volume, and never what a link in it points at', async () => {
    await sh('mkdir -p /v/a/b; echo part > /v/a/b/file; ln -s / /v/out; ln -s a /v/in', '-v', 'parts:/v');
    const part = (subpath: string) => `type=volume,src=parts,dst=/p,volume-subpath=${subpath}`;
    assert.equal(await sh('cat /p/file', '--mount', part('a/b')), 'part\n');
    assert.equal(await sh('cat /p/b/file', '--mount', part('in')), 'part\n');
    for (const [wrong, message] of [
      ['out', /path concatenation escapes the base directory/],
      ['out/bin', /path concatenation escapes the base directory/],
      ['nosuch', /cannot access path nosuch/],
      ['../x', /subpath must be a relative path within the volume/],
    ] as const) {
      assert.match(await refused(['run', '--rm', '--mount', part(wrong), image, 'true'], 125), message);
    }
    await docker(['volume', 'rm', 'parts']);
  });

  test('binds follow the mounts of the host, or do not, as they are told', async (t) => {
    const own = `${await makeTempDir(t, 'own')}/deep`;
    await mkdir(own);
    const follow = async (name: string, flag: string) => {
      await docker(['run', '-d', '--name', name, flag, image, 'sleep', '100000']);
      t.after(() => docker(['rm', '-f', name]));
    };
    await follow('slave', `-v=${shared}:/m:rslave`);
    await follow('mount', `--mount=type=bind,src=${shared},dst=/m,bind-propagation=slave`);
    await follow('private', `-v=${shared}:/m`);
    await mkdir(join(shared, 'later'));
    await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', join(shared, 'later')]);
    await writeFile(join(shared, 'later/file'), '');
    const seen = async (name: string) => await out('exec', name, 'ls', '/m/later');
    assert.deepEqual(
      [await seen('slave'), await seen('mount'), await seen('private')],
      ['file\n', 'file\n', ''],
    );
    await docker(['exec', 'slave', 'ls', '/m/later']);
    await runCommand('umount', [join(shared, 'later')]);
    assert.deepEqual([await seen('slave'), await seen('private')], ['', '']);
    await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', own]);
    defer(t, () => unmountUnder(own));
    assert.match(
      await refused(['run', '--rm', '-v', `${own}:/m:rslave`, image, 'true'], 125),
      /path .* is mounted on .* but it is not a shared or slave mount/,
    );
  });

  test('what a container mounts in a shared bind appears on the host, and the reverse', async (t) => {
    for (const name of ['inner', 'outer', 'kept']) await mkdir(join(shared, name));
    await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', join(shared, 'kept')]);
    await writeFile(join(shared, 'kept/file'), '');
    t.after(() => unmountUnder(join(shared, 'kept')));
    const options = ['--privileged', '-v', `${shared}:/m:rshared`, '--mount'];
    const folder = `type=bind,src=${shared}/inner,dst=/n,bind-propagation=shared`;
    await docker(['run', '-d', '--name', 'both', ...options, folder, image, 'sleep', '100000']);
    await docker(['exec', 'both', 'sh', '-c', 'mount -t tmpfs tmpfs /m/inner && touch /m/inner/file']);
    assert.deepEqual(await readdir(join(shared, 'inner')), ['file']);
    await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', join(shared, 'outer')]);
    await writeFile(join(shared, 'outer/file'), '');
    assert.equal(await out('exec', 'both', 'ls', '/m/outer', '/n'), '/m/outer:\nfile\n\n/n:\nfile\n');
    assert.equal(
      await out('inspect', '-f', '{{range .Mounts}}{{.Propagation}} {{end}}', 'both'),
      'rshared shared \n',
    );
    // The end of a container, and of a view of its files, takes nothing from the host.
    await docker(['stop', '-t', '0', 'both']);
    await docker(['cp', 'both:/m/kept/file', join(host, 'kept')]);
    await docker(['rm', '-f', 'both']);
    for (const name of ['inner', 'outer', 'kept']) {
      assert.deepEqual(await readdir(join(shared, name)), ['file'], name);
      await runCommand('umount', [join(shared, name)]);
    }
    assert.match(
      await refused(['run', '--rm', '-v', `${apart}:/m:rshared`, image, 'true'], 125),
      /path .* is mounted on .* but it is not a shared mount/,
    );
  });

  test('binds have what the host has mounted since the start of the agent', async (t) => {
    const later = join(apart, 'later');
    await mkdir(later);
    await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', later]);
    t.after(() => unmountUnder(later));
    await mkdir(join(later, 'part'));
    await writeFile(join(later, 'part/file'), 'late\n');
    await symlink(join(later, 'part'), join(apart, 'link'));
    await docker([
      'volume',
      'create',
      '--opt',
      'type=none',
      '--opt',
      'o=bind',
      '--opt',
      `device=${later}`,
      'late',
    ]);
    await docker([
      'volume',
      'create',
      '--opt',
      'type=none',
      '--opt',
      'o=bind,ro',
      '--opt',
      `device=${later}`,
      'late-ro',
    ]);
    const seen = (path: string, ...options: string[]) => sh(`cat ${path}`, ...options);
    assert.equal(await seen('/m/file', '-v', `${later}/part:/m`), 'late\n');
    assert.equal(await seen('/m/file', '-v', `${apart}/link:/m`), 'late\n');
    assert.equal(await seen('/m/later/part/file', '-v', `${apart}:/m:ro`), 'late\n');
    assert.equal(await seen('/f', '--mount', `type=bind,src=${later}/part/file,dst=/f,readonly`), 'late\n');
    assert.equal(await seen('/m/part/file', '-v', 'late:/m'), 'late\n');
    assert.equal(await seen('/m/part/file', '-v', 'late-ro:/m'), 'late\n');
    assert.equal(await seen(`/m${later}/part/file`, '-v', '/:/m:ro'), 'late\n');
    await sh('echo new > /m/new', '-v', `${later}/made/here:/m`);
    assert.equal(await readFile(join(later, 'made/here/new'), 'utf8'), 'new\n');
    await docker(['volume', 'rm', 'late', 'late-ro']);
    assert.equal(await sh('ls /m', '-v', `/proc/${process.pid}/ns/uts:/m`), '/m\n');
    await agent.restart();
    assert.equal(await seen('/m/file', '-v', `${later}/part:/m`), 'late\n');
  });

  test('devices and volumes have what the host has mounted since the start of the agent', async (t) => {
    const later = join(apart, 'devices');
    await mkdir(later);
    await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', later]);
    t.after(() => unmountUnder(later));
    for (const name of ['nodes', 'lower', 'upper', 'work']) await mkdir(join(later, name));
    await runCommand('mknod', [join(later, 'nodes/null'), 'c', '1', '3']);
    await symlink(join(later, 'nodes/null'), join(later, 'link'));
    await writeFile(join(later, 'lower/file'), 'late\n');
    const kind = (place: string, device: string) =>
      sh(`stat -c '%F %t:%T' ${place}; echo out > ${place}`, '--device', device);
    const expected = 'character special file 1:3\n';
    assert.equal(await kind('/dev/one', `${later}/nodes/null:/dev/one`), expected);
    assert.equal(await kind('/dev/one', `${later}/link:/dev/one`), expected);
    assert.equal(await kind('/dev/all/null', `${later}/nodes/:/dev/all`), expected);
    assert.match(
      await refused(['run', '--rm', '--device', `${later}/lower/file:/dev/x`, image, 'true'], 125),
      /gathering device information while adding custom device ".*": not a device node/,
    );
    assert.match(
      await refused(['run', '--rm', '--device', `${later}/nosuch`, image, 'true'], 127),
      /gathering device information while adding custom device ".*": no such file or directory/,
    );
    const layers = `lowerdir=${later}/lower,upperdir=${later}/upper,workdir=${later}/work`;
    const options = ['type=overlay', 'device=overlay', `o=nodev,${layers}`];
    await docker(['volume', 'create', ...options.flatMap((option) => ['--opt', option]), 'layered']);
    const write = 'cat /v/file; echo new > /v/new; mount | grep " /v " | grep -o nodev';
    assert.equal(await sh(write, '-v', 'layered:/v'), 'late\nnodev\n');
    assert.equal(await readFile(join(later, 'upper/new'), 'utf8'), 'new\n');
    await docker(['volume', 'rm', 'layered']);
    await docker(['volume', 'create', ...options.flatMap((option) => ['--opt', `${option}x`]), 'wrong']);
    assert.match(
      await refused(['run', '--rm', '-v', 'wrong:/v', image, 'true'], 125),
      /failed to mount local volume: mount overlayx:.*: no such device/,
    );
    await docker(['volume', 'rm', 'wrong']);
  });

  test('binds of the data folder follow the host, and cannot be private', async () => {
    const look = async (...options: string[]) => {
      const id = (await out('create', ...options, image, 'true')).trim();
      const propagation = await out('inspect', '-f', '{{(index .Mounts 0).Propagation}}', id);
      await docker(['start', '-a', id]);
      await docker(['rm', id]);
      return propagation.trim();
    };
    for (const path of [agent.dataDir, `${agent.dataDir}/containers`, '/']) {
      assert.equal(await look('-v', `${path}:/m:ro`), 'rslave');
      assert.equal(await look('--mount', `type=bind,src=${path},dst=/m`), 'rslave');
      for (const wrong of ['private', 'rprivate', 'slave', 'shared']) {
        assert.match(
          await refused(['create', '-v', `${path}:/m:${wrong}`, image], 1),
          /must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root/,
        );
      }
    }
    assert.equal(await look('-v', `${agent.dataDir}-other:/m`), 'rprivate');
  });

  test('what is mounted below a bind is there, and read-only, as bind-recursive says', async () => {
    await mkdir(join(shared, 'below'));
    await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', join(shared, 'below')]);
    await writeFile(join(shared, 'below/file'), '');
    for (const runtime of ['crun', 'runc']) {
      const look = async (...options: readonly string[]) =>
        await sh(
          'ls /m/below; for f in /m/x /m/below/x; do touch $f 2>/dev/null && echo written $f; rm -f $f; done; true',
          `--runtime=${runtime}`,
          `--mount=${['type=bind', `src=${shared}`, 'dst=/m', ...options].join(',')}`,
        );
      assert.equal(await look(), 'file\nwritten /m/x\nwritten /m/below/x\n', runtime);
      assert.equal(await look('readonly'), 'file\n', runtime);
      assert.equal(await look('bind-recursive=disabled'), 'written /m/x\nwritten /m/below/x\n', runtime);
      assert.equal(await look('readonly', 'bind-recursive=disabled'), '', runtime);
      const writable = await look('readonly', 'bind-recursive=writable');
      assert.equal(writable, 'file\nwritten /m/below/x\n', runtime);
      const readonly = await look('readonly', 'bind-recursive=readonly', 'bind-propagation=rprivate');
      assert.equal(readonly, 'file\n', runtime);
    }
    // A container that does not run is copied from by a view of the agent's own.
    const copy = async (...options: readonly string[]) => {
      const mount = ['type=bind', `src=${shared}`, 'dst=/m', ...options].join(',');
      const id = (await out('create', `--mount=${mount}`, image, 'true')).trim();
      const tries = [
        ['cp', `${id}:/m/below/file`, '-'],
        ['cp', join(shared, 'file'), `${id}:/m/below/copied`],
      ];
      const said: string[] = [];
      for (const args of tries) {
        const done = await docker(args).then(
          () => 'done',
          (error: Error) => /Could not find the file|read-only/.exec(error.message)?.[0] ?? error.message,
        );
        said.push(done);
      }
      await docker(['rm', id]);
      return said;
    };
    await writeFile(join(shared, 'file'), '');
    assert.deepEqual(await copy(), ['done', 'done']);
    assert.deepEqual(await copy('readonly', 'bind-recursive=writable'), ['done', 'read-only']);
    assert.deepEqual(await copy('readonly'), ['done', 'read-only']);
    assert.equal((await copy('bind-recursive=disabled'))[0], 'Could not find the file');
    await rm(join(shared, 'file'));
    await runCommand('umount', [join(shared, 'below')]);
  });

  test('a volume over a folder of the host', async () => {
    const folder = join(host, 'device');
    await mkdir(folder);
    await writeFile(join(folder, 'file'), 'there\n');
    const create = [
      'volume',
      'create',
      '--opt',
      'type=none',
      '--opt',
      'o=bind',
      '--opt',
      `device=${folder}`,
      'over',
    ];
    await docker(create);
    assert.equal(await sh('cat /v/file', '-v', 'over:/v'), 'there\n');
    await docker(['volume', 'rm', 'over']);
    assert.deepEqual(await readdir(folder), ['file']);
    assert.match(
      await refused(['volume', 'create', '--opt', 'type=nfs', '--opt', 'o=addr=x', 'far']),
      /create far: missing required option: "device"/,
    );
    assert.match(await refused(['volume', 'create', '-d', 'nosuch', 'far']), /driver "nosuch" not found/);
    assert.match(await refused(['volume', 'create', '../x']), /invalid characters for a local volume name/);
  });

  test('events tell of a volume who mounts it', async () => {
    const since = Date.now() / 1000;
    await sh('true', '-v', 'told:/v:ro');
    await docker(['volume', 'rm', 'told']);
    const until = (Date.now() + 1) / 1000;
    const period = ['--since', `${since}`, '--until', `${until}`];
    const lines = await out('events', ...period, '--filter', 'volume=told', '--format', '{{json .}}');
    const told = lines
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const seen = told.map(({ Action, Actor }) => [Action, Actor.Attributes.destination]);
    assert.deepEqual(seen, [
      ['create', undefined],
      ['mount', '/v'],
      ['unmount', undefined],
      ['destroy', undefined],
    ]);
    const [, mounted, unmounted] = told.map(({ Actor }) => Actor.Attributes);
    assert.equal(mounted['read/write'], 'false');
    assert.match(mounted.container, /^[0-9a-f]{64}$/);
    assert.equal(unmounted.container, mounted.container);
  });

  test('a file system that is mounted while a container uses it', async () => {
    const options = ['--opt', 'type=tmpfs', '--opt', 'device=tmpfs', '--opt', 'o=size=1m,uid=7,noexec'];
    await docker(['volume', 'create', ...options, 'scratch']);
    const place = join(agent.dataDir, 'volumes/scratch/_data');
    const mounted = async () => (await agentMounts(agent)).filter((point) => point === place).length;
    assert.match(
      await sh('mount | grep " /v "; stat -c %u /v', '-v', 'scratch:/v'),
      /^tmpfs on \/v type tmpfs \(rw,.*noexec.*size=1024k,uid=7.*\)\n7\n$/,
    );
    await untilPasses(async () => assert.equal(await mounted(), 0));

    const first = ['-v', 'scratch:/v', image, 'sh', '-c', 'echo shared > /v/file; sleep 1000'];
    await docker(['run', '-d', '--name', 'first', ...first]);
    await untilPasses(async () => assert.equal(await sh('cat /w/file', '-v', 'scratch:/w:ro'), 'shared\n'));
    assert.equal(await mounted(), 1);
    assert.doesNotMatch(await out('system', 'df', '-v'), /scratch/, 'no usage of this host');
    // A stop of the agent lets it be, and it goes with the last container that uses it.
    await agent.restart();
    assert.equal(await sh('cat /w/file', '-v', 'scratch:/w'), 'shared\n');
    assert.match(await refused(['volume', 'rm', 'scratch']), /volume is in use/);
    await docker(['stop', '-t', '0', 'first']);
    await untilPasses(async () => assert.equal(await mounted(), 0));
    // Of a stopped container it is mounted for as long as files are copied.
    assert.equal((await docker(['cp', 'first:/v/.', join(host, 'copied')])).exitCode, 0);
    assert.deepEqual(await readdir(join(host, 'copied')), []);
    await untilPasses(async () => assert.equal(await mounted(), 0));
    await docker(['rm', 'first']);
    await docker(['volume', 'rm', 'scratch']);
  });

  test('a read-only bind with options, what is not there, and what is not to be removed', async () => {
    const folder = join(host, 'share');
    await mkdir(folder);
    await writeFile(join(folder, 'file'), 'theirs\n');
    const create = (name: string, o: string, device: string) =>
      docker([
        'volume',
        'create',
        '--opt',
        'type=none',
        '--opt',
        `o=${o}`,
        '--opt',
        `device=${device}`,
        name,
      ]);
    await create('share', 'bind,ro', folder);
    assert.equal(await sh('cat /v/file', '-v', 'share:/v'), 'theirs\n');
    const writes = await docker(['run', '--rm', '-v', 'share:/v', image, 'touch', '/v/x'], { expectExit: 1 });
    assert.match(writes.stderr, /Read-only file system/);
    assert.match(await out('volume', 'prune', '-af'), /^Total reclaimed space: 0B$/m);
    await docker(['volume', 'rm', 'share']);
    assert.deepEqual(await readdir(folder), ['file']);

    for (const o of ['bind', 'bind,ro']) {
      await create('missing', o, '/nosuch');
      const args = ['run', '--rm', '-v', 'missing:/v', image, 'true'];
      assert.match(
        await refused(args, 127),
        /error while mounting volume '.*': failed to mount local volume: mount \/nosuch:.*: no such file or directory/,
      );
      await docker(['volume', 'rm', 'missing']);
    }
  });
});

/** A file system whose mounts other namespaces see, or do not, made before the agent has one of its own. */
async function ownMount(propagation: 'shared' | 'private'): Promise<string> {
  const folder = await makeTempDir({ after }, propagation);
  await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', folder]);
  defer({ after }, () => unmountUnder(folder));
  await runCommand('mount', [`--make-${propagation}`, folder]);
  return folder;
}
