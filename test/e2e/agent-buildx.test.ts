import assert from 'node:assert/strict';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { agentMounts } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext, writeContextFile } from '../support/build-context.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { startSshGitServer } from '../support/ssh-git-server.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

/** `docker build` as people have it: with buildx, against the agent and a registry. */
describe('docker build with buildx', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const { registry, agent, image } = await startAgentWithImage(scope);
  const { docker, startDocker } = agent;

  /** Builds and answers what the CLI tells. */
  async function build(args: readonly string[], options: { expectExit?: number; input?: Buffer } = {}) {
    return (await docker(['build', '--progress=plain', ...args], options)).stderr;
  }

  async function run(...args: string[]): Promise<string> {
    return (await docker(['run', '--rm', ...args])).stdout;
  }

  test('build, change a file, build again, push, run', async () => {
    const name = `${registry.host}/team/app:1`;
    const context = await makeBuildContext(
      scope,
      `FROM ${image}\nWORKDIR /app\nRUN echo made > made && echo said\nCOPY words .\nCMD ["cat", "made", "words"]\n`,
      { words: 'first\n' },
    );
    const first = await build(['-t', name, context]);
    assert.match(first, /#\d+ [\d.]+ said\n/);
    assert.equal(await run(name), 'made\nfirst\n');

    const second = await build(['-t', name, context]);
    assert.match(second, /RUN echo made > made && echo said\n#\d+ CACHED/);
    assert.match(second, /COPY words \.\n#\d+ CACHED/);

    await writeFile(join(context, 'words'), 'second\n');
    const third = await build(['-t', name, context]);
    assert.match(third, /RUN echo made > made && echo said\n#\d+ CACHED/);
    assert.doesNotMatch(third, /COPY words \.\n#\d+ CACHED/);
    assert.equal(await run(name), 'made\nsecond\n');

    await docker(['push', name]);
    await docker(['rmi', name]);
    assert.equal(await run(name), 'made\nsecond\n');
  });

  test('--push pushes what was built, and tells its digest', async () => {
    const name = `${registry.host}/team/pushed:1`;
    const context = await makeBuildContext(scope, `FROM ${image}\nLABEL pushed=yes\n`);
    const metadataFile = join(context, '../meta');
    const printed = await build(['--push', '-t', name, '--metadata-file', metadataFile, context]);
    assert.match(printed, new RegExp(`pushing ${name} with docker`));
    const metadata = JSON.parse(await readFile(metadataFile, 'utf8'));
    const answer = await fetch(`http://${registry.host}/v2/team/pushed/manifests/1`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    assert.equal(metadata['containerimage.digest'], answer.headers.get('docker-content-digest'));
    const manifest = (await answer.json()) as { config: { digest: string } };
    assert.equal(metadata['containerimage.config.digest'], manifest.config.digest);
  });

  test('--provenance is attached to what is pushed, as a referrer', async () => {
    const name = `${registry.host}/team/stated:1`;
    const dockerfile = `FROM ${image}\nARG WHO\nRUN echo $WHO > /who\n`;
    const context = await makeBuildContext(scope, dockerfile);
    await build(['--provenance=mode=max', '--build-arg', 'WHO=me', '--push', '-t', name, context]);
    const get = async (path: string) => {
      const answer = await fetch(`http://${registry.host}/v2/team/stated/${path}`, {
        headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
      });
      return {
        digest: answer.headers.get('docker-content-digest') ?? '',
        body: JSON.parse(await answer.text()),
      };
    };
    const { digest } = await get('manifests/1');
    const { body: referrers } = await get(`referrers/${digest}`);
    assert.equal(referrers.manifests.length, 1);
    assert.equal(referrers.manifests[0].artifactType, 'application/vnd.in-toto+json');
    const { body: manifest } = await get(`manifests/${referrers.manifests[0].digest}`);
    const { body: statement } = await get(`blobs/${manifest.layers[0].digest}`);
    assert.equal(statement.predicateType, 'https://slsa.dev/provenance/v0.2');
    assert.deepEqual(statement.subject, [
      { name: `${registry.host}/team/stated`, digest: { sha256: digest.slice('sha256:'.length) } },
    ]);
    const { predicate } = statement;
    assert.equal(predicate.invocation.parameters.args['build-arg:WHO'], 'me');
    assert.match(predicate.materials[0].uri, /team\/busybox/);
    assert.match(predicate.materials[0].digest.sha256, /^[0-9a-f]{64}$/);

    await build(['--provenance=mode=min', '--build-arg', 'WHO=me', '--push', '-t', name, context]);
    const { body: both } = await get(`referrers/${digest}`);
    assert.equal(both.manifests.length, 2);
    await build([
      '--push',
      '-t',
      `${registry.host}/team/unstated:1`,
      await makeBuildContext(scope, `${dockerfile}LABEL a=b\n`),
    ]);
    const plain = await fetch(`http://${registry.host}/v2/team/unstated/manifests/1`);
    const none = await fetch(
      `http://${registry.host}/v2/team/unstated/referrers/${plain.headers.get('docker-content-digest')}`,
    );
    assert.deepEqual(((await none.json()) as { manifests: unknown[] }).manifests, []);
  });

  test('the classic API and this one make the same image', async () => {
    const context = await makeBuildContext(
      scope,
      `FROM ${image}\nCOPY . /src\nWORKDIR /src/deep\nENV A=b\n`,
      {
        '.dockerignore': 'left-out\n',
        'left-out': 'x',
        file: { text: 'run me', mode: 0o755 },
        'deep/link': { link: '../file' },
      },
    );
    await build(['-t', 'door:buildkit', context]);
    await docker(['build', '-t', 'door:classic', context], { env: { DOCKER_BUILDKIT: '0' } });
    const id = async (name: string) => (await docker(['inspect', '-f', '{{.Id}}', name])).stdout;
    assert.equal(await id('door:buildkit'), await id('door:classic'));
    assert.equal(
      await run('door:buildkit', 'sh', '-c', 'ls /src; cat link'),
      'Dockerfile\ndeep\nfile\nrun me',
    );
  });

  test('bake: several targets, one on top of another', async () => {
    const context = await makeBuildContext(scope, `FROM ${image}\nRUN echo base > /base\n`, {
      'app.Dockerfile': 'FROM base\nCOPY --from=tools /tool /tool\nRUN cat /base /tool > /all\n',
      'tools.Dockerfile': `FROM ${image}\nRUN echo tool > /tool\n`,
      'docker-bake.json': JSON.stringify({
        group: { default: { targets: ['app', 'tools'] } },
        target: {
          base: { context: '.' },
          tools: { dockerfile: 'tools.Dockerfile', tags: ['bake-tools'] },
          app: {
            dockerfile: 'app.Dockerfile',
            contexts: { base: 'target:base', tools: 'target:tools' },
            tags: ['bake-app'],
          },
        },
      }),
    });
    await docker(['buildx', 'bake', '--progress=plain', '-f', 'docker-bake.json'], { cwd: context });
    assert.equal(await run('bake-app', 'cat', '/all'), 'base\ntool\n');
    assert.equal(await run('bake-tools', 'cat', '/tool'), 'tool\n');
  });

  test('secrets, ssh and further contexts come into RUN, and stay out of the image', async () => {
    const agentSocket = join(await makeTempDir(scope, 'ssh'), 'agent.sock');
    const sshAgent = createServer((connection) => connection.end());
    await new Promise<void>((resolve) => sshAgent.listen(agentSocket, resolve));
    after(() => sshAgent.close());
    const other = await makeBuildContext(scope, '', { words: 'of the other\n' });
    const context = await makeBuildContext(
      scope,
      [
        `FROM ${image}`,
        'RUN --mount=type=secret,id=s cat /run/secrets/s > /seen',
        'RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && echo socket >> /seen',
        'RUN --mount=type=bind,from=other,target=/other cat /other/words >> /seen',
        'RUN --mount=type=bind,target=/ctx cat /ctx/mine >> /seen',
        'COPY --from=other words /words',
        '',
      ].join('\n'),
      { mine: 'mine\n', secret: 'hidden\n' },
    );
    const inputs = ['--secret', `id=s,src=${join(context, 'secret')}`, '--ssh', `default=${agentSocket}`];
    await build([...inputs, '--build-context', `other=${other}`, '-t', 'mounts', context]);
    assert.equal(
      await run('mounts', 'cat', '/seen', '/words'),
      'hidden\nsocket\nof the other\nmine\nof the other\n',
    );
    assert.equal(
      await run('mounts', 'sh', '-c', 'ls /run/secrets 2>/dev/null; ls /ctx /other 2>/dev/null; true'),
      '',
    );
  });

  test('RUN signs with keys of the ssh agents of the client, and only where they are mounted', async () => {
    const ssh = await startSshGitServer(scope, await makeTempDir(scope, 'ssh-git'));
    const { stdout: key } = await runCommand('ssh-add', ['-L'], { env: { SSH_AUTH_SOCK: ssh.agent } });
    const steps = [
      'RUN --mount=type=ssh ssh-add -L | cmp - /key.pub && ssh-add -T /key.pub',
      'RUN --mount=type=ssh,id=other,target=/agent,uid=1000,mode=0600 stat -c "%a %u" /agent > /seen; SSH_AUTH_SOCK=/agent ssh-add -l >> /seen; true',
      'RUN test -z "$SSH_AUTH_SOCK" && test ! -e /run/buildkit',
    ];
    const dockerfile = [`FROM ${image}`, 'COPY root /', 'COPY key.pub /', ...steps, ''].join('\n');
    const context = await makeBuildContext(scope, dockerfile, { 'key.pub': key });
    const { stdout: libraries } = await runCommand('ldd', ['/usr/bin/ssh-add']);
    for (const file of ['/usr/bin/ssh-add', ...(libraries.match(/\/\S+/g) ?? [])]) {
      await cp(file, join(context, 'root', file), { dereference: true });
    }
    const agents = ['--ssh', `default=${ssh.agent}`, '--ssh', `other=${ssh.emptyAgent}`];
    await build([...agents, '-t', 'signed', context]);
    assert.equal(await run('signed', 'cat', '/seen'), '600 1000\nThe agent has no identities.\n');
  });

  test('from the standard input: a tar, and a Dockerfile', async () => {
    const context = await makeBuildContext(scope, `FROM ${image}\nCOPY a /a\n`, { a: 'from a tar' });
    const tar = join(context, '../context.tar.gz');
    await runCommand('tar', ['-czf', tar, '-C', context, '.']);
    await build(['-t', 'piped', '-'], { input: await readFile(tar) });
    assert.equal(await run('piped', 'cat', '/a'), 'from a tar');
    await build(['-t', 'piped', '-'], { input: Buffer.from(`FROM ${image}\nRUN echo piped > /b\n`) });
    assert.equal(await run('piped', 'cat', '/b'), 'piped\n');
  });

  test('outputs: a folder, a tar, archives that load', async () => {
    const context = await makeBuildContext(
      scope,
      ['FROM scratch', 'COPY . /', 'COPY --chmod=4750 file /deep/er/set-uid', ''].join('\n'),
      {
        '.dockerignore': 'Dockerfile\n.dockerignore',
        file: 'content',
        link: { link: 'file' },
        big: 'x'.repeat(3_000_000),
      },
    );
    const out = await makeTempDir(scope, 'outputs');
    await writeFile(join(out, 'stays'), 'what was there');
    await build(['--output', out, context]);
    const listing = async (folder: string) =>
      (await runCommand('find', ['.', '-mindepth', '1', '-printf', '%p %y %m %l\\n'], { cwd: folder })).stdout
        .split('\n')
        .sort();
    assert.deepEqual(
      await listing(out),
      [
        '',
        './big f 644 ',
        './deep d 755 ',
        './deep/er d 755 ',
        './deep/er/set-uid f 4750 ',
        './file f 644 ',
        './link l 777 file',
        './stays f 644 ',
      ].map((line) => line),
    );
    assert.equal(await readFile(join(out, 'big'), 'utf8'), 'x'.repeat(3_000_000));

    const tar = join(out, 'files.tar');
    await build(['--output', `type=tar,dest=${tar}`, context]);
    const { stdout } = await runCommand('tar', ['-tf', tar]);
    assert.deepEqual(stdout.trim().split('\n').sort(), [
      'big',
      'deep/',
      'deep/er/',
      'deep/er/set-uid',
      'file',
      'link',
    ]);

    for (const type of ['oci', 'docker']) {
      const archive = join(out, `${type}.tar`);
      await build(['--output', `type=${type},dest=${archive}`, '-t', `from-${type}:1`, context]);
      await assert.rejects(docker(['inspect', `from-${type}:1`]), /[Nn]o such/);
      await docker(['load', '--input', archive]);
      assert.match((await docker(['inspect', '-f', '{{.RepoTags}}', `from-${type}:1`])).stdout, /from-/);
      await runCommand('skopeo', ['inspect', `${type === 'oci' ? 'oci' : 'docker'}-archive:${archive}`]);
    }
  });

  test('a step that fails shows what it said, its code and its line', async () => {
    const context = await makeBuildContext(scope, `FROM ${image}\nRUN echo last words && exit 3\n`);
    const printed = await build(['-t', 'failed', context], { expectExit: 1 });
    assert.match(printed, / > \[2\/2\] RUN echo last words && exit 3:\n[\d.]+ last words\n/);
    assert.match(printed, /ERROR: failed to solve: Dockerfile:2: .*(exit code|code:?) ?3/s);
    await assert.rejects(docker(['inspect', 'failed']), /[Nn]o such/);
  });

  test('errors of the Dockerfile name the line', async () => {
    const context = await makeBuildContext(scope, `FROM ${image}\nCOPPY a b\n`);
    const printed = await build([context], { expectExit: 1 });
    assert.match(printed, /ERROR: failed to solve: Dockerfile:2: .*COPPY.*\n +2 \| COPPY a b/);
    await writeContextFile(join(context, 'Dockerfile'), `FROM ${image}\nCOPY nope /b\n`);
    assert.match(await build([context], { expectExit: 1 }), /Dockerfile:2: .*nope/);
    await writeContextFile(join(context, 'Dockerfile'), 'FROM 127.0.0.1:1/nobody/nothing\n');
    assert.match(await build([context], { expectExit: 1 }), /ERROR: failed to solve: .*127\.0\.0\.1:1/);
  });

  test('a client that is killed with all of its processes ends a step that says nothing', async () => {
    const wait = 765_432 + (process.pid % 100_000);
    const context = await makeBuildContext(scope, `FROM ${image}\nRUN sleep ${wait}\n`);
    const sleeps = async () => {
      const found = await runCommand('pgrep', ['-f', `^sleep ${wait}$`], { expectExit: 'any' });
      return found.exitCode === 0;
    };
    const leaving = new AbortController();
    const building = docker(['build', context], { signal: leaving.signal });
    await waitUntil('the step runs', sleeps);
    leaving.abort();
    await assert.rejects(building);
    await waitUntil('the step is gone', async () => !(await sleeps()));
  });

  test('checks that a Dockerfile asks for warn, or fail the build', async () => {
    const text = `# check=skip=MaintainerDeprecated\nFROM ${image} as Base\nMAINTAINER me\nCMD true\n`;
    const context = await makeBuildContext(scope, text);
    const printed = await build(['--progress=rawjson', context]);
    const warnings = [...printed.matchAll(/"short":\s*"([^"]+)"/g)].map(([, short = '']) =>
      Buffer.from(short, 'base64').toString(),
    );
    assert.deepEqual(warnings, [
      "FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 2)",
      "StageNameCasing: Stage name 'Base' should be lowercase (line 2)",
      'JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals (line 4)',
    ]);
    await writeContextFile(join(context, 'Dockerfile'), text.replace('skip=', 'error=true;skip='));
    const failed = await build([context], { expectExit: 1 });
    assert.match(
      failed,
      /lint violation found for rules: FromAsCasing, JSONArgsRecommended, StageNameCasing/,
    );
    await docker(['build', '--build-arg', 'BUILDKIT_DOCKERFILE_CHECK=skip=all', context]);
    const classic = await docker(['build', context], { env: { DOCKER_BUILDKIT: '0' }, expectExit: 1 });
    assert.match(classic.stderr, /lint violation found/);
  });

  test('another platform: where nothing is run it is built, else refused in a sentence', async () => {
    const context = await makeBuildContext(scope, 'FROM scratch\nCOPY a /a\n', { a: 'a' });
    await build(['--platform', 'linux/s390x', '-t', 'foreign', context]);
    assert.equal((await docker(['inspect', '-f', '{{.Architecture}}', 'foreign'])).stdout, 's390x\n');
    await writeContextFile(join(context, 'Dockerfile'), 'FROM scratch\nCOPY a /a\nRUN ["/a"]\n');
    const printed = await build(['--platform', 'linux/s390x', context], { expectExit: 1 });
    assert.match(printed, /ERROR: failed to solve: .*s390x.*no emulator/s);
  });

  test('progress as JSON and for terminals', async () => {
    const context = await makeBuildContext(scope, `FROM ${image}\nRUN echo in json\n`);
    const { stderr } = await docker(['buildx', 'build', '--progress=rawjson', '--no-cache', context]);
    const updates = stderr
      .trim()
      .split(/\n(?=\{)/)
      .map((update) => JSON.parse(update));
    const logs = updates.flatMap(({ logs = [] }) => logs as { data: string }[]);
    assert.match(logs.map(({ data }) => Buffer.from(data, 'base64').toString()).join(''), /in json\n/);
    const names = updates.flatMap(({ vertexes = [] }) => vertexes as { name: string }[]);
    assert.ok(names.some(({ name }) => name === '[2/2] RUN echo in json'));
    const command = `docker -H ${agent.host} buildx build --progress=tty --no-cache ${context}`;
    const { stdout } = await runCommand('script', ['--quiet', '--command', command, '/dev/null']);
    assert.match(stdout, /\[\+\] Building .*FINISHED/);
    assert.match(stdout, /=> \[2\/2\] RUN echo in json/);
  });

  test('du and prune tell and drop what builds kept', async () => {
    const context = await makeBuildContext(scope, `FROM ${image}\nRUN echo kept > /kept\n`);
    await build([context]);
    const { stdout } = await docker(['buildx', 'du', '--verbose', '--filter', 'type=regular']);
    assert.match(stdout, /Description:\s+RUN echo kept > \/kept\n/);
    const pruned = await docker(['builder', 'prune', '--all', '--force']);
    assert.match(pruned.stdout, /Total:\s+[1-9]/);
    assert.match((await docker(['buildx', 'du'])).stdout, /Total:\s+0B/);
    assert.doesNotMatch(await build([context]), /CACHED/);
  });

  test('Ctrl-C stops the step, and nothing of it is left', async () => {
    const wait = 654_321 + (process.pid % 100_000);
    const context = await makeBuildContext(scope, `FROM ${image}\nRUN echo runs && sleep ${wait}\n`);
    const client = startDocker(['build', '--progress=plain', '-t', 'cancelled', context]);
    await client.waitForLine(/ runs$/m);
    await client.end('SIGINT');
    await waitUntil('the step has ended', async () => {
      const processes = await readdir('/proc');
      const lines = await Promise.all(
        processes
          .filter((name) => /^\d+$/.test(name))
          .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
      );
      return !lines.includes(`sleep\0${wait}\0`);
    });
    await assert.rejects(docker(['inspect', 'cancelled']), /[Nn]o such/);
    await waitUntil('its mounts are gone', async () =>
      (await agentMounts(agent)).every((mount) => !mount.includes('/build')),
    );
  });
});
