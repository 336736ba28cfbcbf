import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { startDockerd } from '../support/dockerd.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { setUpPodman } from '../support/podman.ts';
import { readTarFiles, writeTarFiles } from '../support/rewrite-tar.ts';
import { runCommand } from '../support/run-command.ts';
import { setUpSkopeo } from '../support/skopeo.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

describe('docker save, load and import', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const { docker } = agent;
  const dockerd = await startDockerd({ after });
  const { podman } = await setUpPodman({ after });
  const { skopeo } = await setUpSkopeo({ after });
  const folder = await makeTempDir({ after }, 'archives');
  const at = (name: string) => join(folder, name);
  const out = async (...args: string[]) => (await docker(args)).stdout;
  const idOf = async (name: string) => (await out('image', 'inspect', '-f', '{{.Id}}', name)).trim();
  const RUN = ['run', '--rm', '--network=none'];

  // An image of two layers of its own, with three names.
  await docker([
    'run',
    '--name',
    'first',
    '--network=none',
    image,
    'sh',
    '-c',
    'echo one > /one; chmod 4700 /one',
  ]);
  await docker(['commit', 'first', 'team/app:1']);
  await docker([
    'run',
    '--name',
    'second',
    '--network=none',
    'team/app:1',
    'sh',
    '-c',
    'rm /bin/ls; echo two > /two',
  ]);
  await docker(['commit', '-c', 'CMD ["cat", "/one", "/two"]', 'second', 'team/app:2']);
  await docker(['rm', 'first', 'second']);
  await docker(['tag', 'team/app:2', 'other:latest']);

  test('what is saved loads into dockerd and podman, with its ID and names, and runs', async () => {
    await docker(['save', '-o', at('saved.tar'), 'team/app:1', 'team/app:2', 'other']);
    const printed = (await dockerd.docker(['load', '-i', at('saved.tar')])).stdout;
    assert.deepEqual(printed.trim().split('\n').sort(), [
      'Loaded image: other:latest',
      'Loaded image: team/app:1',
      'Loaded image: team/app:2',
    ]);
    const ids = async (names: readonly string[], run: typeof dockerd.docker) =>
      (await run(['image', 'inspect', '-f', '{{.Id}}', ...names])).stdout;
    const names = ['team/app:1', 'team/app:2', 'other:latest'];
    assert.equal(await ids(names, dockerd.docker), await ids(names, docker));
    assert.equal((await dockerd.docker([...RUN, 'other'])).stdout, 'one\ntwo\n');
    await podman(['load', '-i', at('saved.tar')]);
    const id = (await podman(['image', 'inspect', '-f', '{{.Id}}', 'localhost/team/app:2'])).stdout.trim();
    assert.equal(`sha256:${id}`, await idOf('team/app:2'));
    await skopeo(['copy', `docker-archive:${at('saved.tar')}:team/app:2`, `dir:${at('by-manifest')}`]);
    await runCommand('mkdir', [at('layout')]);
    await runCommand('tar', ['-C', at('layout'), '-xf', at('saved.tar')]);
    await skopeo(['copy', `oci:${at('layout')}:2`, `dir:${at('by-index')}`]);
  });

  test('an archive is the same each time, has each blob once, and docker’s fields', async () => {
    await docker(['save', '-o', at('again.tar'), 'team/app:1', 'team/app:2', 'other']);
    assert.ok((await readFile(at('again.tar'))).equals(await readFile(at('saved.tar'))));
    await dockerd.docker(['save', '-o', at('theirs.tar'), 'team/app:1', 'team/app:2', 'other']);
    const list = async (name: string) => {
      const items = JSON.parse(String((await readTarFiles(at(name))).get('manifest.json'))) as {
        readonly Config: string;
        readonly RepoTags: readonly string[];
        readonly Layers: readonly string[];
      }[];
      return items
        .map((item) => ({ ...item, RepoTags: item.RepoTags.toSorted() }))
        .sort((a, b) => (a.Config < b.Config ? -1 : 1));
    };
    assert.deepEqual(await list('saved.tar'), await list('theirs.tar'));
    const names = [...(await readTarFiles(at('saved.tar'))).keys()];
    assert.equal(new Set(names).size, names.length);
  });

  test('by ID it has no name, by repository all its tags', async () => {
    const tags = async (...names: string[]) => {
      await docker(['save', '-o', at('named.tar'), ...names]);
      const items = JSON.parse(String((await readTarFiles(at('named.tar'))).get('manifest.json')));
      return (items as { RepoTags: string[] | null }[]).map(({ RepoTags }) => RepoTags?.sort() ?? null);
    };
    assert.deepEqual(await tags(await idOf('other')), [null]);
    assert.deepEqual(await tags((await idOf('other')).slice(7, 19)), [null]);
    assert.deepEqual((await tags('team/app')).sort(), [['team/app:1'], ['team/app:2']]);
    const refused = await docker(['save', '-o', at('no.tar'), 'nosuch'], { expectExit: 1 });
    assert.match(refused.stderr, /No such image: nosuch:latest|reference does not exist/);
  });

  test('what dockerd, podman and skopeo save is loaded, compressed or not', async () => {
    const expected = await idOf('team/app:2');
    const layout = `oci-archive:${at('oci.tar')}`;
    await dockerd.docker(['save', '-o', at('dockerd.tar'), 'team/app:2']);
    const name = 'localhost/team/app:2';
    await podman(['save', '-q', '--format', 'docker-archive', '-o', at('podman.tar'), name]);
    await podman(['save', '-q', '--format', 'oci-archive', '-o', at('podman-oci.tar'), name]);
    await skopeo([
      'copy',
      `docker-archive:${at('saved.tar')}:team/app:2`,
      `docker-archive:${at('skopeo.tar')}:team/app:2`,
    ]);
    await skopeo(['copy', `docker-archive:${at('saved.tar')}:team/app:2`, `${layout}:team/app:2`]);
    await runCommand('gzip', ['-k', at('dockerd.tar')]);
    await runCommand('zstd', ['-q', at('podman.tar')]);
    await runCommand('xz', ['-0', '-k', at('skopeo.tar')]);
    const archives = ['dockerd.tar', 'podman.tar', 'podman-oci.tar', 'skopeo.tar', 'oci.tar'];
    for (const archive of [...archives, 'dockerd.tar.gz', 'podman.tar.zst', 'skopeo.tar.xz']) {
      await docker(['rmi', 'team/app:2', 'other']);
      const loaded = /^Loaded image: ((?:localhost\/)?team\/app:2)\n$/.exec(
        await out('load', '-q', '-i', at(archive)),
      )?.[1];
      assert.ok(loaded !== undefined, archive);
      if (loaded !== 'team/app:2') {
        await docker(['tag', loaded, 'team/app:2']);
        await docker(['rmi', loaded]);
      }
      // skopeo and podman write configurations of their own.
      const id = await idOf('team/app:2');
      if (!/oci|skopeo|podman/.test(archive)) assert.equal(id, expected, archive);
      assert.equal(await out(...RUN, 'team/app:2'), 'one\ntwo\n', archive);
      assert.match(await out(...RUN, 'team/app:2', 'stat', '-c', '%a', '/one'), /^4700$/m);
      await docker(['tag', 'team/app:2', 'other']);
    }
  });

  test('a name goes over to the loaded image; one without a name is told by its ID', async () => {
    await docker(['rmi', 'other']);
    await docker(['load', '-q', '-i', at('dockerd.tar')]);
    const old = await idOf('team/app:2');
    await docker(['tag', 'team/app:1', 'team/app:2']);
    const renamed = await out('load', '-i', at('dockerd.tar'));
    assert.match(
      renamed,
      /The image team\/app:2 already exists, renaming the old one with ID sha256:[0-9a-f]{64} to empty string\nLoaded image: team\/app:2\n$/,
    );
    assert.equal(await idOf('team/app:2'), old);
    await docker(['save', '-o', at('unnamed.tar'), old]);
    assert.equal(await out('load', '-i', at('unnamed.tar')), `Loaded image ID: ${old}\n`);
  });

  test('import makes one layer of a tree, as dockerd does', async () => {
    await docker(['create', '--name', 'tree', 'team/app:2']);
    await docker(['export', '-o', at('tree.tar'), 'tree']);
    await docker(['rm', 'tree']);
    await runCommand('gzip', ['-k', at('tree.tar')]);
    const shown =
      '{{.Comment}} {{json .Config.Cmd}} {{json .Config.Env}} {{json .Config.Labels}} {{len .RootFS.Layers}} {{.Os}}/{{.Architecture}}';
    for (const archive of ['tree.tar', 'tree.tar.gz']) {
      const printed: string[] = [];
      for (const daemon of [agent, dockerd]) {
        const changes = ['-c', 'CMD ["cat", "/two"]', '-c', 'ENV A=b', '-c', 'LABEL x=y'];
        const { stdout } = await daemon.docker([
          'import',
          '-m',
          'a message',
          ...changes,
          at(archive),
          'flat:1',
        ]);
        assert.match(stdout, /^sha256:[0-9a-f]{64}\n$/);
        printed.push((await daemon.docker(['image', 'inspect', '-f', shown, 'flat:1'])).stdout);
        assert.equal((await daemon.docker([...RUN, 'flat:1'])).stdout, 'two\n');
        await daemon.docker(['rmi', 'flat:1']);
      }
      assert.equal(printed[0], printed[1]);
    }
    const refused = await docker(['import', 'http://127.0.0.1:1/tree.tar'], { expectExit: 1 });
    assert.match(
      refused.stderr,
      /importing from http:\/\/127.0.0.1:1\/tree.tar is not supported by berth-agent/,
    );
    for (const bad of [
      Buffer.from('no tar'.repeat(200)),
      (await readFile(at('tree.tar'))).subarray(0, 100_000),
    ]) {
      assert.match((await docker(['import', '-'], { input: bad, expectExit: 1 })).stderr, /not a valid tar/);
    }
    assert.match(
      (await docker(['import', '-c', 'RUN x', at('tree.tar')], { expectExit: 1 })).stderr,
      /RUN is not a valid change command/,
    );
    for (const [platform, message] of [
      ['windows/amd64', /operating system is not supported/],
      ['nosuch', /"nosuch": unknown operating system or architecture: invalid argument/],
    ] as const) {
      for (const daemon of [agent, dockerd]) {
        const command = ['import', '--platform', platform, at('tree.tar'), 'other:1'];
        assert.match((await daemon.docker(command, { expectExit: 1 })).stderr, message);
      }
    }
    await docker(['import', '--platform', 'linux/aarch64', at('tree.tar'), 'other:1']);
    assert.equal(
      await out('image', 'inspect', '-f', '{{.Os}}/{{.Architecture}}', 'other:1'),
      'linux/arm64\n',
    );
    await docker(['rmi', 'other:1']);
  });

  test('layers that are named by sha512 are loaded, and checked', async () => {
    const good = await readTarFiles(at('saved.tar'));
    const [first] = JSON.parse(String(good.get('manifest.json'))) as { Config: string; Layers: string[] }[];
    assert.ok(first !== undefined);
    const named = async (file: string, change: (tar: Uint8Array) => Uint8Array) => {
      const digests = first.Layers.map(
        (layer) =>
          `sha512:${createHash('sha512')
            .update(change(good.get(layer) ?? Buffer.alloc(0)))
            .digest('hex')}`,
      );
      const config = {
        ...JSON.parse(String(good.get(first.Config))),
        rootfs: { type: 'layers', diff_ids: digests },
      };
      const files = new Map(good);
      files.set('config.json', Buffer.from(JSON.stringify(config)));
      const item = { Config: 'config.json', RepoTags: ['by512:1'], Layers: first.Layers };
      files.set('manifest.json', Buffer.from(JSON.stringify([item])));
      await writeTarFiles(at(file), files);
    };
    await named('sha512.tar', (tar) => tar);
    await docker(['load', '-q', '-i', at('sha512.tar')]);
    assert.match(await out('image', 'inspect', '-f', '{{json .RootFS.Layers}}', 'by512:1'), /^\["sha512:/);
    assert.equal(await out(...RUN, 'by512:1', 'cat', '/one'), 'one\n');
    // It goes out, and comes back.
    await docker(['save', '-o', at('again512.tar'), 'by512:1']);
    await docker(['rmi', 'by512:1']);
    await docker(['load', '-q', '-i', at('again512.tar')]);
    assert.equal(await out(...RUN, 'by512:1', 'cat', '/one'), 'one\n');
    await docker(['rmi', 'by512:1']);
    await named('lying512.tar', (tar) => tar.subarray(1));
    const { stderr } = await docker(['load', '-q', '-i', at('lying512.tar')], { expectExit: 1 });
    assert.match(stderr, /sha512:[0-9a-f]+/);
    assert.equal(await out('images', '-q', 'by512'), '');
  });

  test('an archive that lies or lacks something is refused, and nothing of it stays', async () => {
    const good = await readTarFiles(at('saved.tar'));
    const items = JSON.parse(String(good.get('manifest.json'))) as { Config: string; Layers: string[] }[];
    const [first] = items;
    assert.ok(first !== undefined);
    const blob = (text: string) => `blobs/sha256/${createHash('sha256').update(text).digest('hex')}`;
    const changed = (edit: (files: Map<string, Uint8Array>) => void) => {
      const files = new Map<string, Uint8Array>(good);
      edit(files);
      return files;
    };
    const manifest = (value: unknown) => Buffer.from(JSON.stringify(value));
    const top = String(first.Layers.at(-1));
    const otherTar = Buffer.from(good.get(top) ?? '');
    otherTar.write('X', otherTar.indexOf('one\n'));
    const config = JSON.parse(String(good.get(first.Config)));
    const lying = JSON.stringify({
      ...config,
      rootfs: { type: 'layers', diff_ids: [...config.rootfs.diff_ids].reverse() },
    });
    const windows = JSON.stringify({ ...config, os: 'windows' });
    const cases: Readonly<Record<string, readonly [Map<string, Uint8Array>, RegExp]>> = {
      'a layer of other content': [changed((files) => files.set(top, otherTar)), /invalid diffID|is damaged/],
      'a configuration of other content': [
        changed((files) => files.set(first.Config, Buffer.from(windows))),
        /is damaged: its content has the digest/,
      ],
      'a configuration that names other layers': [
        changed((files) => {
          files.set(blob(lying), Buffer.from(lying));
          files.set('manifest.json', manifest([{ ...first, Config: blob(lying) }]));
        }),
        /invalid diffID for layer 0/,
      ],
      'an image of another system': [
        changed((files) => {
          files.set(blob(windows), Buffer.from(windows));
          files.set('manifest.json', manifest([{ ...first, Config: blob(windows) }]));
        }),
        /cannot load windows image on linux/,
      ],
      'a missing layer': [changed((files) => files.delete(top)), /the archive has no "blobs/],
      'a missing configuration': [
        changed((files) => files.delete(first.Config)),
        /the archive has no "blobs/,
      ],
      'too few layers': [
        changed((files) => files.set('manifest.json', manifest([{ ...first, Layers: [] }]))),
        /layers length mismatch/,
      ],
      'a layer that is no tar': [
        changed((files) => {
          files.set('x', Buffer.from('no tar'));
          files.set('manifest.json', manifest([{ ...first, Layers: first.Layers.map(() => 'x') }]));
        }),
        /invalid diffID for layer 0/,
      ],
      'a name that is none': [
        changed((files) => files.set('manifest.json', manifest([{ ...first, RepoTags: ['Bad Name'] }]))),
        /invalid reference format/,
      ],
      'no list': [
        changed((files) => files.set('manifest.json', manifest({}))),
        /manifest.json is not a list of images/,
      ],
      'no JSON': [
        changed((files) => files.set('manifest.json', Buffer.from('['))),
        /manifest.json is not JSON/,
      ],
      'neither manifest': [
        changed((files) => {
          files.delete('manifest.json');
          files.delete('index.json');
        }),
        /neither manifest.json nor index.json/,
      ],
    };
    await docker(['rmi', 'team/app:1', 'team/app:2']);
    await docker(['image', 'prune', '-f'], { expectExit: 'any' });
    const before = await left();
    for (const [what, [files, expected]] of Object.entries(cases)) {
      await writeTarFiles(at('bad.tar'), files);
      const { stderr, stdout } = await docker(['load', '-q', '-i', at('bad.tar')], { expectExit: 1 });
      assert.match(stderr, expected, `${what}: ${stdout}`);
      assert.deepEqual(await left(), before, what);
    }
    await writeTarFiles(at('bad.tar'), good, [
      { name: '../../../../etc/climbed', type: 'file', content: 'x' },
    ]);
    assert.match((await docker(['load', '-i', at('bad.tar')], { expectExit: 1 })).stderr, /is outside of it/);
    await writeTarFiles(
      at('bad.tar'),
      changed((files) => files.delete(top)),
      [{ name: top, type: 'symlink', target: '/etc/passwd' }],
    );
    assert.match(
      (await docker(['load', '-i', at('bad.tar')], { expectExit: 1 })).stderr,
      /the archive has no/,
    );
    const whole = await readFile(at('saved.tar'));
    for (const input of [
      whole.subarray(0, 100_000),
      Buffer.from('no tar at all'.repeat(100)),
      Buffer.alloc(0),
    ]) {
      await docker(['load'], { input, expectExit: 1 });
    }
    assert.deepEqual(await left(), before);
  });

  test('a quiet load is answered when it is done, and a failure of a load in the answer, as by dockerd', async () => {
    const load = (query: string) => {
      const sending = request({
        ...{ socketPath: agent.socket, method: 'POST', path: `/v1.45/images/load${query}` },
        headers: { 'Content-Type': 'application/x-tar' },
      });
      return { sending, answered: once(sending, 'response').then(([answer]) => answer as IncomingMessage) };
    };
    const before = await left();
    await docker(['run', '--name', 'third', '--network=none', image, 'sh', '-c', 'echo three > /three']);
    await docker(['commit', 'third', 'third:1']);
    await docker(['rm', 'third']);
    await docker(['save', '-o', at('third.tar'), 'third:1']);
    const archive = await readFile(at('third.tar'));
    for (const query of ['?quiet=1', '']) {
      await docker(['rmi', 'third:1']);
      await waitUntil('its layer is gone', async () => (await left()).join() === before.join());
      const { sending, answered } = load(query);
      let isAnswered = false;
      answered.then(() => {
        isAnswered = true;
      });
      sending.write(archive.subarray(0, -1024));
      await waitUntil('its layers are here', async () => (await left()).length > before.length);
      await out('version');
      assert.ok(!isAnswered, 'before the archive has come');
      sending.end(archive.subarray(-1024));
      // It has the answer's head, and no use for more.
      (await answered).destroy();
      await idOf('third:1');
    }
    await docker(['rmi', 'third:1']);
    const { sending, answered } = load('?quiet=0');
    sending.end(Buffer.from('no tar at all'.repeat(100)));
    const answer = await answered;
    assert.equal(answer.statusCode, 200);
    const [line = '', ...more] = (await text(answer)).split('\r\n');
    assert.deepEqual(more, ['']);
    const { error, errorDetail } = JSON.parse(line) as { error: string; errorDetail: object };
    assert.match(error, /is not a valid tar|no images|manifest/);
    assert.deepEqual(errorDetail, { message: error });
  });

  test('a client that hangs up in the middle of save or load leaves nothing', async () => {
    const before = await left();
    // Its layers are named so that nobody can know them before they are read.
    const archive = await readFile(at('podman.tar'));
    const sending = request({
      socketPath: agent.socket,
      method: 'POST',
      path: '/v1.45/images/load',
      headers: { 'Content-Type': 'application/x-tar' },
    });
    sending.on('error', () => undefined);
    sending.write(archive.subarray(0, 1_500_000));
    await waitUntil('a layer is coming', async () => (await left()).join().includes('incoming'));
    sending.destroy();
    await waitUntil('nothing of it is left', async () => (await left()).join() === before.join());
    await runCommand('sh', ['-c', `docker -H ${agent.host} save ${image} | head -c 100000 > /dev/null`]);
    assert.equal(
      await out('load', '-q', '-i', at('unnamed.tar')),
      `Loaded image ID: ${await idOf(await newest())}\n`,
    );
  });

  async function newest(): Promise<string> {
    return (await out('images', '-q', '--no-trunc')).split('\n')[0] ?? '';
  }

  /** The layers and images of the agent. */
  async function left(): Promise<readonly string[]> {
    const { stdout } = await runCommand('ls', ['-A', join(agent.dataDir, 'layers')]);
    return [...stdout.split('\n'), ...(await out('images', '-aq', '--no-trunc')).split('\n')].sort();
  }
});
