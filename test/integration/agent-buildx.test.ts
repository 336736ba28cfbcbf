import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import type { BuildProgress, BuildRequest } from '../../runtime-agent/builder/builder.ts';
import { Control } from '../../runtime-agent/builder/buildkit/proto/control_pb.ts';
import { SyncedTree } from '../../runtime-agent/builder/buildkit/session/synced-tree.ts';
import { EngineError } from '../../runtime-agent/errors.ts';
import { defer } from '../support/cleanup.ts';
import { dockerAt } from '../support/docker-cli.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';
import { FakeBuilder } from '../unit/runtime-agent/engine-api/fakes/fake-builder.ts';
import { makeImage } from '../unit/runtime-agent/engine-api/fakes/fake-images.ts';
import { startFakeEngine } from '../unit/runtime-agent/engine-api/fakes/start-fake-engine.ts';

/** BuildKit's API with the real buildx and a builder that records its requests. */
describe('buildx', { timeout: 900_000 }, async () => {
  const scope = { after };
  const image = makeImage('base:1');
  const builder = new FakeBuilder(image.id);
  const engine = await startFakeEngine(scope, { builder });
  engine.images.images.push(image);
  const { docker, startDocker } = await dockerAt(scope, `unix://${engine.socket}`);

  /** A folder with these files, their content by their paths. */
  async function folder(files: Record<string, string>): Promise<string> {
    const path = await makeTempDir(scope, 'context');
    for (const [name, content] of Object.entries(files)) {
      await mkdir(join(path, name, '..'), { recursive: true });
      await writeFile(join(path, name), content);
    }
    return path;
  }

  /** Builds with `script` as the builder, and answers what the CLI printed. */
  async function build(
    args: readonly string[],
    script: FakeBuilder['script'] = async () => {},
    expectExit = 0,
  ) {
    builder.script = script;
    const { stderr } = await docker(['buildx', 'build', '--progress=plain', ...args], { expectExit });
    return stderr;
  }

  async function contextOf(
    request: BuildRequest,
    signal: AbortSignal,
    want = {},
  ): Promise<Record<string, string>> {
    const context = await request.source.openContext(undefined, { exclude: [], ...want }, signal);
    assert.ok(context instanceof SyncedTree);
    const files: Record<string, string> = {};
    const folder = await context.folder();
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) files[path.slice(folder.length + 1)] = await readFile(path, 'utf8');
    }
    await context.release();
    return files;
  }

  function step(id: string, inputs: readonly string[] = []): BuildProgress {
    return { kind: 'planned', id, name: `[${id}/2] RUN ${id}`, inputs };
  }

  test('ls and inspect show the builder with its platform', async () => {
    const { stdout } = await docker(['buildx', 'ls']);
    assert.match(stdout, /default\* +docker/);
    assert.match(stdout, /default +running +0\.0\.1 +linux\/amd64/);
    const inspected = await docker(['buildx', 'inspect']);
    assert.match(inspected.stdout, /Status: +running/);
    assert.match(inspected.stdout, /Platforms: +linux\/amd64/);
  });

  test('a definition that is empty has no result, and does not wait for one', async () => {
    const socket = connect(engine.socket);
    defer(scope, () => {
      socket.destroy();
    });
    socket.write('POST /grpc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
    await once(socket, 'readable');
    const answer: Buffer = socket.read();
    const end = answer.indexOf('\r\n\r\n') + 4;
    assert.match(answer.subarray(0, end).toString(), /^HTTP\/1\.1 101 /);
    socket.unshift(answer.subarray(end));
    const transport = createGrpcTransport({
      baseUrl: 'http://x',
      nodeOptions: { createConnection: () => socket },
    });
    const control = createClient(Control, transport);
    const solved = await control.solve({ Ref: 'empty', Definition: { def: [] } });
    assert.deepEqual(solved.ExporterResponse, {});
  });

  test('a build is named, and tells its steps as they come', async () => {
    const context = await folder({ Dockerfile: 'FROM base\nRUN x\n' });
    const printed = await build(
      ['-t', 'app:1', '-t', 'host:5000/app:2', context],
      async (request, progress, signal) => {
        assert.equal(await request.source.readDockerfile('Dockerfile', signal), 'FROM base\nRUN x\n');
        assert.equal(await request.source.readDockerfile('Dockerfile.dockerignore', signal), undefined);
        assert.equal(await request.source.readDockerfile('.dockerignore', signal), undefined);
        progress(step('1'));
        progress(step('2', ['1']));
        progress({ kind: 'cached', id: '1', at: new Date() });
        progress({ kind: 'started', id: '2', at: new Date() });
        progress({ kind: 'log', id: '2', stream: 'stdout', data: Buffer.from('said by the step\n') });
        progress({ kind: 'progress', id: '2', what: 'sha256:123', current: 5, total: 10 });
        progress({ kind: 'warning', id: '2', message: 'do not do this', line: 2 });
        progress({ kind: 'completed', id: '2', at: new Date() });
      },
    );
    assert.match(
      printed,
      /#1 \[internal\] load build definition from Dockerfile\n(#1 .*\n)*#1 transferring dockerfile: 16B/,
    );
    assert.match(printed, /\[1\/2\] RUN 1\n#\d+ CACHED/);
    assert.match(printed, /said by the step/);
    assert.match(printed, /1 warning found/);
    assert.match(
      printed,
      new RegExp(
        `exporting to image\n(#\\d+ writing image ${image.id}\n)?#\\d+ writing image ${image.id} .*done`,
      ),
    );
    assert.match(printed, /naming to docker\.io\/library\/app:1/);
    const [tagged] = engine.images.images;
    assert.deepEqual(tagged?.repoTags, ['base:1', 'docker.io/library/app:1', 'host:5000/app:2']);
    assert.equal(builder.held, 0);
  });

  test('the image is told to the client: -q, --iidfile, --metadata-file', async () => {
    const context = await folder({ Dockerfile: 'FROM base\n' });
    builder.script = async () => {};
    const { stdout } = await docker(['build', '-q', context]);
    assert.equal(stdout, `${image.id}\n`);
    const files = ['--iidfile', join(context, 'iid'), '--metadata-file', join(context, 'meta')];
    await build(['-t', 'meta:1', ...files, context]);
    assert.equal(await readFile(join(context, 'iid'), 'utf8'), image.id);
    const metadata = JSON.parse(await readFile(join(context, 'meta'), 'utf8'));
    assert.equal(metadata['containerimage.config.digest'], image.id);
    assert.equal(metadata['image.name'], 'docker.io/library/meta:1');
    assert.match(metadata['buildx.build.ref'], /^default\/default\/\w+$/);
  });

  test('the flags of a build reach the builder', async () => {
    const context = await folder({ 'other.Dockerfile': 'FROM base\n' });
    const flags = [
      ...[
        '-f',
        join(context, 'other.Dockerfile'),
        '--target',
        'prod',
        '--build-arg',
        'A=1',
        '--label',
        'l=v',
      ],
      ...['--no-cache-filter', 'one,two', '--pull', '--network', 'none', '--add-host', 'db:10.0.0.1'],
      ...['--ulimit', 'nofile=10:20', '--cache-to', 'type=inline'],
      ...['--shm-size', '32m', '--platform', 'linux/amd64', '--cache-from', 'host:5000/cache'],
      ...['--cache-to', 'type=registry,ref=host:5000/cache,mode=max'],
    ];
    await build([...flags, context], async (request, _, signal) => {
      assert.equal(await request.source.readDockerfile('other.Dockerfile', signal), 'FROM base\n');
    });
    const { source: _, ...request } = builder.request;
    assert.deepEqual(request, {
      dockerfile: 'other.Dockerfile',
      target: 'prod',
      buildArguments: new Map([['A', '1']]),
      labels: new Map([['l', 'v']]),
      platform: { os: 'linux', architecture: 'amd64' },
      noCache: ['one', 'two'],
      pull: true,
      entitlements: [],
      network: 'none',
      extraHosts: ['db:10.0.0.1'],
      shmSize: 32 << 20,
      limits: { Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }] },
      inlineCache: true,
      namedContexts: new Map(),
      cacheFrom: [{ kind: 'registry', reference: 'host:5000/cache' }],
      cacheTo: [{ kind: 'registry', reference: 'host:5000/cache', mode: 'max', ignoresErrors: false }],
      pushesTo: [],
      sends: [],
    });
  });

  test('contexts: what is wanted of it, what is ignored, and no more than what changed', async () => {
    const files = { Dockerfile: 'FROM base\n', a: 'a', 'dir/b': 'b', 'dir/c.o': 'c', 'ü n': 'odd' };
    const context = await folder(files);
    const seen: Record<string, string>[] = [];
    const script =
      (want: object): FakeBuilder['script'] =>
      async (request, _, signal) => {
        seen.push(await contextOf(request, signal, want));
      };
    await build([context], script({}));
    assert.deepEqual(seen[0], files);
    await build(
      [context],
      script({ exclude: ['*.o', 'dir/*.o', '', '# x', 'Dockerfile'], include: ['dir', 'ü*', 'nope'] }),
    );
    assert.deepEqual(seen[1], { 'dir/b': 'b', 'ü n': 'odd' });

    assert.match(await build([context], script({})), /transferring context: .*done/);
    await writeFile(join(context, 'dir/b'), 'other');
    await rm(join(context, 'a'));
    const printed = await build([context], script({}));
    assert.match(printed, /#\d+ transferring context: 5B/);
    assert.deepEqual(seen[3], { Dockerfile: 'FROM base\n', 'dir/b': 'other', 'dir/c.o': 'c', 'ü n': 'odd' });
  });

  test('builds of one folder side by side read copies of their own', async () => {
    const context = await folder({ Dockerfile: 'FROM base\n', a: 'a' });
    const paths: string[] = [];
    const both = Promise.withResolvers<void>();
    const script: FakeBuilder['script'] = async (request, _, signal) => {
      const tree = await request.source.openContext(undefined, { exclude: [] }, signal);
      assert.ok(tree instanceof SyncedTree);
      paths.push(await tree.folder());
      if (paths.length === 2) both.resolve();
      await both.promise;
      await tree.release();
    };
    await Promise.all([build([context], script), build([context], script)]);
    assert.notEqual(paths[0], paths[1]);
  });

  test('further contexts by name', async () => {
    const context = await folder({ Dockerfile: 'FROM base\n' });
    const other = await folder({ x: 'of the other' });
    const contexts = ['--build-context', `other=${other}`, '--build-context', 'img=docker-image://busybox:1'];
    await build([...contexts, context], async (request, _, signal) => {
      assert.deepEqual([...request.namedContexts].sort(), [
        ['img', 'docker-image://busybox:1'],
        ['other', undefined],
      ]);
      const tree = await request.source.openContext('other', { exclude: [] }, signal);
      assert.ok(tree instanceof SyncedTree);
      assert.equal(await readFile(join(await tree.folder(), 'x'), 'utf8'), 'of the other');
      await tree.release();
    });
  });

  test('a Dockerfile from the standard input, and one that is a link', async () => {
    const context = await folder({ a: 'a', 'real/Dockerfile': 'FROM linked\n' });
    builder.script = async (request, _, signal) => {
      assert.equal(await request.source.readDockerfile(request.dockerfile, signal), 'FROM piped\n');
      assert.deepEqual(Object.keys(await contextOf(request, signal)).sort(), ['a', 'real/Dockerfile']);
    };
    await docker(['build', '-f', '-', context], { input: 'FROM piped\n' });
    await symlink('real/Dockerfile', join(context, 'Dockerfile'));
    await build([context], async (request, _, signal) => {
      assert.equal(await request.source.readDockerfile('Dockerfile', signal), 'FROM linked\n');
    });
  });

  test('secrets and logins are asked of the client', async () => {
    const context = await folder({ Dockerfile: 'FROM base\n', s: 'from a file' });
    const secrets = ['--secret', `id=file,src=${join(context, 's')}`];
    const config = await folder({
      'config.json': JSON.stringify({
        auths: {
          'host:5000': { auth: Buffer.from('me:pass').toString('base64') },
          'token:1': { auth: Buffer.from('<token>:').toString('base64'), identitytoken: 'refresh' },
        },
      }),
    });
    builder.script = async ({ source }, _, signal) => {
      assert.equal(Buffer.from((await source.secret('file', signal)) ?? []).toString(), 'from a file');
      assert.equal(await source.secret('other', signal), undefined);
      assert.deepEqual(await source.credentials('host:5000', signal), { username: 'me', password: 'pass' });
      assert.deepEqual(await source.credentials('token:1', signal), { identityToken: 'refresh' });
      assert.equal(await source.credentials('nobody:5000', signal), undefined);
    };
    await docker(['build', ...secrets, context], { env: { DOCKER_CONFIG: config } });
  });

  test("ssh: what is said on the socket goes to the client's agent and back", async (t) => {
    const context = await folder({ Dockerfile: 'FROM base\n' });
    const agentSocket = join(await makeTempDir(scope, 'ssh'), 'agent.sock');
    // Answers as an agent without keys: a message of one byte, 12, and no keys.
    const agent = createServer((connection) => {
      connection.on('data', () => connection.write(Buffer.from([0, 0, 0, 5, 12, 0, 0, 0, 0])));
    });
    await new Promise<void>((resolve) => agent.listen(agentSocket, resolve));
    t.after(() => agent.close());
    builder.script = async ({ source }, _, signal) => {
      assert.equal(await source.sshSocket('other', signal), undefined);
      const forwarded = await source.sshSocket('default', signal);
      assert.ok(forwarded);
      const keys = await fetchKeys(forwarded.path).finally(() => forwarded.release());
      assert.deepEqual([...keys], [0, 0, 0, 5, 12, 0, 0, 0, 0]);
      await assert.rejects(readFile(forwarded.path), /ENOENT/);
    };
    await docker(['build', '--ssh', `default=${agentSocket}`, context]);
  });

  test('a failure is told in its own words, and the image is not named', async () => {
    const context = await folder({ Dockerfile: 'FROM base\nRUN x\n' });
    const printed = await build(
      ['-t', 'failed:1', context],
      async (_, progress) => {
        progress(step('1'));
        progress({ kind: 'started', id: '1', at: new Date() });
        progress({ kind: 'log', id: '1', stream: 'stderr', data: Buffer.from('last words\n') });
        progress({ kind: 'failed', id: '1', at: new Date(), message: 'exit code: 3' });
        throw new EngineError('bad-request', 'Dockerfile:2: RUN x: exit code: 3');
      },
      1,
    );
    assert.match(printed, /ERROR: failed to solve: Dockerfile:2: RUN x: exit code: 3\n$/);
    assert.match(printed, /#\d+ ERROR: exit code: 3/);
    assert.match(printed, / > \[1\/2\] RUN 1:\n[\d.]+ last words/);
    assert.ok(!engine.images.images.some(({ repoTags }) => repoTags.some((tag) => tag.includes('failed'))));
  });

  for (const [flags, message] of [
    [['--output', 'type=image,annotation.a=b'], /option annotation\.a=b of the output is not supported/],
    [
      ['--output', 'type=image,compression=estargz'],
      /compression=estargz is not supported: there are gzip, zstd/,
    ],
    [
      ['--output', 'type=image,compression=uncompressed'],
      /compression=uncompressed is not supported for images that may be pushed/,
    ],
    [
      ['--output', 'type=image,compression=gzip,compression-level=12'],
      /compression-level=12 is not a level of gzip: its levels are 0 to 9/,
    ],
    [['--output', 'type=oci,dest=/nowhere,tar=false'], /type=oci,tar=false is not supported/],
    [['--sbom=true'], /--sbom is not supported/],
    [
      ['--cache-to', 'type=azblob,name=c,account_url=http://127.0.0.1:1/'],
      /--cache-to type=azblob is not supported/,
    ],
    [['--cgroup-parent', 'x'], /--cgroup-parent is not supported/],
  ] as const) {
    test(`refused: ${flags.join(' ')}`, async () => {
      const context = await folder({ Dockerfile: 'FROM base\n' });
      assert.match(await build([...flags, context], async () => {}, 1), message);
    });
  }

  test('a git repository that is not there is told in a sentence', async () => {
    const read: FakeBuilder['script'] = async (request, _, signal) => {
      await request.source.readDockerfile('Dockerfile', signal);
    };
    const printed = await build(['http://127.0.0.1:1/a/b.git'], read, 1);
    assert.match(printed, /git repository http:\/\/127\.0\.0\.1:1\/a\/b\.git cannot be fetched: fatal: /);
  });

  test('a file that the client may not read fails the build in its words', async () => {
    const context = await folder({ Dockerfile: 'FROM base\n' });
    // Not a file that can be read, even by root.
    await symlink('/nowhere', join(context, 'l'));
    await chmod(context, 0o755);
    await build([context], async (request, _, signal) => {
      assert.deepEqual(Object.keys(await contextOf(request, signal)), ['Dockerfile']);
    });
  });

  test('du and prune: what builds keep', async () => {
    await docker(['builder', 'prune', '--all', '--force']);
    assert.match((await docker(['buildx', 'du'])).stdout, /^Reclaimable:\s+0B\nTotal:\s+0B\n$/);
    const context = await folder({ Dockerfile: 'FROM base\n', big: 'x'.repeat(5000) });
    await build([context], async (request, _, signal) => {
      await contextOf(request, signal);
    });
    const { stdout } = await docker(['buildx', 'du']);
    assert.match(stdout, /^ID\s+RECLAIMABLE\s+SIZE\s+LAST ACCESSED\n\S+\*\s+true\s+5\.01kB\s+/);
    const du = async (filter: string) => (await docker(['buildx', 'du', '--filter', filter])).stdout;
    assert.match(await du('type=source.local'), /true/);
    assert.doesNotMatch(await du('type=regular'), /true/);
    await assert.rejects(du('nokey=1'), /filter "nokey==1" is not known/);
    assert.match(
      (await docker(['builder', 'prune', '--force', '--keep-storage', '10kb'])).stdout,
      /Total:\s+0B/,
    );
    assert.match(
      (await docker(['builder', 'prune', '--force', '--filter', 'until=1h'])).stdout,
      /Total:\s+0B/,
    );
    assert.match((await docker(['buildx', 'prune', '--force'])).stdout, /Total:\s+5\.01kB/);
    assert.match((await docker(['buildx', 'du'])).stdout, /Total:\s+0B/);
  });

  test('Ctrl-C aborts the step that runs', async () => {
    const context = await folder({ Dockerfile: 'FROM base\n' });
    const running = Promise.withResolvers<void>();
    let aborted = false;
    builder.script = async (_, progress, signal) => {
      progress(step('1'));
      progress({ kind: 'started', id: '1', at: new Date() });
      running.resolve();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      aborted = true;
      signal.throwIfAborted();
    };
    const client = startDocker(['buildx', 'build', '--progress=plain', context]);
    await running.promise;
    await client.end('SIGINT');
    await waitUntil('the build is aborted', () => aborted);
  });

  test('a client that is killed ends its build', async () => {
    const context = await folder({ Dockerfile: 'FROM base\n' });
    const running = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    builder.script = async (_, __, signal) => {
      running.resolve();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      aborted.resolve();
      signal.throwIfAborted();
    };
    const client = startDocker(['buildx', 'build', '--progress=plain', context]);
    await running.promise;
    await client.end('SIGKILL');
    await aborted.promise;
  });
});

async function fetchKeys(path: string): Promise<Buffer> {
  const { connect } = await import('node:net');
  const connection = connect(path);
  connection.write(Buffer.from([0, 0, 0, 1, 11]));
  let answer = Buffer.alloc(0);
  for await (const data of connection) {
    answer = Buffer.concat([answer, data as Buffer]);
    // The client's agent sends the length of the message apart from the message.
    if (answer.length >= 4 && answer.length >= 4 + answer.readUInt32BE(0)) break;
  }
  connection.destroy();
  return answer;
}
