import assert from 'node:assert/strict';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { startGitServer } from '../support/git-server.ts';
import { startProcess } from '../support/managed-process.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { startSshGitServer } from '../support/ssh-git-server.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

const AUTHOR = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'protocol.file.allow=always'];

describe('docker build of a git repository', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const { agent, image } = await startAgentWithImage(scope);
  const root = await makeTempDir(scope, 'git');
  const work = join(root, 'work');
  await mkdir(work);
  const git = async (...args: readonly string[]) => {
    return (await runCommand('git', ['-C', work, ...AUTHOR, ...args])).stdout.trim();
  };
  await git('init', '--quiet', '--initial-branch=main');
  await writeFile(join(work, 'Dockerfile'), `FROM ${image}\nCOPY . /in/\n`);
  await writeFile(join(work, 'words'), 'of main\n');
  await writeFile(join(work, 'left-out'), 'x');
  await writeFile(join(work, '.dockerignore'), 'left-out\n');
  await writeFile(join(work, '.gitattributes'), 'words export-ignore\n');
  await mkdir(join(work, 'deep', 'er'), { recursive: true });
  await writeFile(join(work, 'deep/er/Dockerfile'), `FROM ${image}\nCOPY . /in/\n`);
  await writeFile(join(work, 'deep/er/run'), 'run\n', { mode: 0o755 });
  await symlink('run', join(work, 'deep/er/link'));
  await git('add', '.');
  await git('commit', '--quiet', '-m', 'first');
  const first = await git('rev-parse', 'HEAD');
  await git('tag', 'v1');
  await git('switch', '--quiet', '-c', 'other/branch');
  await writeFile(join(work, 'words'), 'of the branch\n');
  await git('commit', '--quiet', '-a', '-m', 'second');
  const second = await git('rev-parse', 'HEAD');
  await git('tag', '--annotate', '-m', 'a tag', 'annotated');
  await git('switch', '--quiet', 'main');
  await runCommand('git', ['clone', '--quiet', '--bare', work, join(root, 'repo.git')]);
  const server = await startGitServer(scope, root);
  const url = `${server.url}/repo.git`;

  async function build(context: string, args: readonly string[] = [], options = {}): Promise<string> {
    const all = ['build', '--progress=plain', '--tag', 'from-git', ...args, context];
    return (await agent.docker(all, options)).stderr;
  }

  const shell = async (command: string) =>
    (await agent.docker(['run', '--rm', 'from-git', 'sh', '-c', command])).stdout;

  const remains = async (of = agent) => await readdir(join(of.dataDir, 'build-contexts')).catch(() => []);
  const nothingIsLeft = (of = agent) =>
    waitUntil('nothing is left', async () => (await remains(of)).length === 0);

  test('all files of the branch that it has checked out, also those that an ignore file names, as with dockerd', async () => {
    assert.match(await build(url), new RegExp(`\\[internal\\] load git source ${url}`));
    assert.equal(
      await shell('cat /in/words; ls -A /in'),
      'of main\n.dockerignore\n.gitattributes\nDockerfile\ndeep\nleft-out\nwords\n',
    );
    assert.match(await build(url), /COPY \. \/in\/\n#\d+ CACHED/);
    await nothingIsLeft();
  });

  test('ADD takes the files of a repository, and sees when there are others', async (t) => {
    const context = await makeBuildContext(
      t,
      `FROM ${image}
ARG REF=main
ADD --chown=5:6 ${url}#$REF /in
ADD --exclude=**/link ${url}#v1:deep /deep/
`,
    );
    await build(context);
    assert.equal(
      await shell('cat /in/words; ls -A /in /deep/er; stat -c "%u:%g %a" /in/deep/er/run'),
      'of main\n/deep/er:\nDockerfile\nrun\n\n/in:\n.dockerignore\n.gitattributes\nDockerfile\ndeep\nleft-out\nwords\n5:6 755\n',
    );
    assert.match(await build(context), /ADD --chown=5:6 .*\n#\d+ CACHED/);
    await build(context, ['--build-arg', 'REF=other/branch']);
    assert.equal(await shell('cat /in/words'), 'of the branch\n');
    await assert.rejects(
      build(context, ['--build-arg', 'REF=nowhere']),
      /ADD failed: the git repository .* cannot be fetched/,
    );
    await nothingIsLeft();
  });

  for (const [fragment, words] of [
    ['#main', 'of main\n'],
    ['#other/branch', 'of the branch\n'],
    ['#v1', 'of main\n'],
    [`#${first}`, 'of main\n'],
    [`#${first.slice(0, 10)}`, 'of main\n'],
    [`?branch=other/branch&checksum=${second.slice(0, 12)}`, 'of the branch\n'],
    ['#annotated', 'of the branch\n'],
  ] as const) {
    test(`a branch, a tag or a commit: ${fragment.replaceAll(/[0-9a-f]{8,}/g, 'COMMIT')}`, async () => {
      await build(`${url}${fragment}`);
      assert.equal(await shell('cat /in/words'), words);
    });
  }

  test('a folder of it, with modes and links; the same commit gives the same image', async () => {
    await build(`${url}#main:deep/er`);
    assert.equal(
      await shell('stat -c %a /in/run; readlink /in/link; stat -c %u:%g /in/run'),
      '755\nrun\n0:0\n',
    );
    const id = async () => (await agent.docker(['inspect', '-f', '{{.RootFS.Layers}}', 'from-git'])).stdout;
    const before = await id();
    await build(`${url}#v1:deep/er`, ['--no-cache']);
    assert.equal(await id(), before);
  });

  test("git's own protocol", async (t) => {
    const args = ['daemon', `--base-path=${root}`, '--export-all', '--reuseaddr', '--listen=127.0.0.1', root];
    startProcess(t, 'git', ['-c', 'safe.directory=*', ...args]);
    const remote = 'git://127.0.0.1/repo.git';
    await waitUntil('the daemon listens', async () => {
      const asked = await runCommand('git', ['ls-remote', remote], { expectExit: 'any' });
      return asked.exitCode === 0;
    });
    await build(`${remote}#other/branch`);
    assert.equal(await shell('cat /in/words'), 'of the branch\n');
  });

  test('the Engine API takes it as `remote`', async () => {
    const asked = await post(
      agent.socket,
      `/build?t=by-api&remote=${encodeURIComponent(`${url}#other/branch`)}`,
    );
    assert.match(asked.body, /Successfully tagged by-api/);
    assert.equal(
      (await agent.docker(['run', '--rm', 'by-api', 'cat', '/in/words'])).stdout,
      'of the branch\n',
    );
    const ssh = await post(agent.socket, '/build?remote=git@127.0.0.1:x.git');
    assert.equal(ssh.status, 400);
    assert.match(ssh.body, /needs an SSH key, and the client lends no SSH agent/);
    const other = await post(agent.socket, '/build?remote=http://127.0.0.1:1/file.tar');
    assert.equal(other.status, 501);
    assert.match(other.body, /fetches no contexts but git repositories/);
  });

  for (const [what, context, message] of [
    ['a branch that is not there', `${url}#nope`, /cannot be fetched: it has no branch and no tag nope/],
    ['a commit that is not there', `${url}#${'0'.repeat(40)}`, /cannot be fetched: .*0000000/],
    [
      'a repository that is not there',
      `${server.url}/nope.git`,
      /cannot be fetched: fatal: repository .* not found/,
    ],
    ['a folder that is not there', `${url}#main:nope`, /cannot be fetched: it has no folder nope/],
    ['a link in place of a folder', `${url}#main:deep/er/link`, /it has no folder deep\/er\/link/],
    [
      'another commit than is expected',
      `${url}?checksum=${'0'.repeat(8)}`,
      /expected checksum to match 00000000/,
    ],
    ['a folder outside', `${url}#main:../x`, /leads out of the git repository/],
    ['a server that is not there', 'http://127.0.0.1:1/x.git', /cannot be fetched: fatal: unable to access/],
    ['an option in place of a branch', `${url}#--upload-pack=x`, /is not a branch, tag or commit/],
  ] as const) {
    test(`refused in a sentence: ${what}`, async () => {
      assert.match(await build(context, [], { expectExit: 1 }), message);
      await nothingIsLeft();
    });
  }

  test('who asks for a password is told that there is none, and nobody is asked', async (t) => {
    server.setPrivate(true);
    t.after(() => server.setPrivate(false));
    assert.match(
      await build(url, [], { expectExit: 1 }),
      /cannot be fetched: .*Authentication failed|could not read Username/s,
    );
  });

  test('.git comes along when it is asked for, and the instruction is cached', async (t) => {
    const context = await makeBuildContext(
      t,
      `FROM ${image}
ARG SOURCE
ADD --keep-git-dir=true $SOURCE /in
ADD --keep-git-dir=true ${url}#main:deep /folder
`,
    );
    const look = async () => {
      const extract = await makeTempDir(t, 'look');
      await agent.docker(['create', '--name', 'kept', 'from-git']);
      await agent.docker(['cp', 'kept:/in', extract]);
      await agent.docker(['rm', 'kept']);
      const asked = async (...args: readonly string[]) => {
        const trusting = ['-c', 'safe.directory=*', '-C', join(extract, 'in')];
        return (await runCommand('git', [...trusting, ...args])).stdout.trim();
      };
      return {
        commit: await asked('rev-parse', 'HEAD'),
        changed: await asked('status', '--porcelain'),
        described: await asked('describe', '--all', '--exact-match'),
        origin: await asked('remote', 'get-url', 'origin'),
        commits: await asked('log', '--format=%H'),
      };
    };
    const common = { changed: '', origin: url };
    await build(context, ['--build-arg', `SOURCE=${url}`]);
    const ofMain = { ...common, commit: first, described: 'heads/main', commits: first };
    assert.deepEqual(await look(), ofMain);
    assert.equal(await shell('ls -A /folder/'), 'er\n', 'a folder has no history');
    assert.match(await build(context, ['--build-arg', `SOURCE=${url}`]), /ADD .* \/in\n#\d+ CACHED/);
    await build(context, ['--build-arg', `SOURCE=${url}?tag=annotated&keep-git-dir=1`]);
    assert.deepEqual(await look(), {
      ...common,
      commit: second,
      described: 'tags/annotated',
      commits: second,
    });
    const inconsistent = build(context, ['--build-arg', `SOURCE=${url}?keep-git-dir=false`], {
      expectExit: 1,
    });
    assert.match(await inconsistent, /say different things/);
    // Of the context it is the client that asks.
    await build(url, ['--build-arg', 'BUILDKIT_CONTEXT_KEEP_GIT_DIR=1']);
    assert.deepEqual(await look(), ofMain);
    assert.match(
      await build(url, ['--build-arg', 'BUILDKIT_CONTEXT_KEEP_GIT_DIR=1']),
      /COPY \. \/in\/\n#\d+ CACHED/,
    );
    await nothingIsLeft();
  });

  test('ADD --checksum names the commit that it must be', async (t) => {
    const add = async (text: string, expectExit = 0) =>
      await build(await makeBuildContext(t, `FROM ${image}\nADD ${text} /in\n`, { file: '' }), [], {
        expectExit,
      });
    await add(`--checksum=${first} ${url}`);
    assert.equal(await shell('cat /in/words'), 'of main\n');
    assert.match(await add(`--checksum=${second} ${url}`, 1), new RegExp(`match ${second}, got ${first}`));
    assert.match(
      await add(`--checksum=sha256:${'0'.repeat(64)} ${url}`, 1),
      /is not a checksum of a git repository/,
    );
    assert.match(await add(`--checksum=${first} file`, 1), /checksum requires HTTP\(S\) or Git sources/);
    assert.match(await add(`--checksum=${first} ${url} ${url}`, 1), /specified for multiple sources/);
  });

  test('a further context', async (t) => {
    const dockerfile = `FROM ${image}\nCOPY --from=more words /in/\n`;
    const context = await makeBuildContext(t, dockerfile);
    await build(context, ['--build-context', `more=${url}#other/branch`]);
    assert.equal(await shell('cat /in/words'), 'of the branch\n');
    await nothingIsLeft();
  });

  test('submodules come along, unless they are not wanted', async () => {
    const outer = join(root, 'outer');
    await runCommand('git', ['init', '--quiet', '--initial-branch=main', outer]);
    const inOuter = (...args: readonly string[]) => runCommand('git', ['-C', outer, ...AUTHOR, ...args]);
    await writeFile(join(outer, 'Dockerfile'), `FROM ${image}\nCOPY . /in/\n`);
    // As forges have it: beside this one.
    await inOuter('submodule', '--quiet', 'add', '--branch', 'main', '../repo.git', 'parts/one');
    await inOuter('config', '--file', '.gitmodules', 'submodule.parts/one.url', '../repo.git');
    await inOuter('add', '.');
    await inOuter('commit', '--quiet', '-m', 'with a part');
    await runCommand('git', ['clone', '--quiet', '--bare', outer, join(root, 'outer.git')]);
    await build(`${server.url}/outer.git`);
    assert.equal(
      await shell('cat /in/parts/one/words; find /in -name .git; ls -A /in'),
      'of main\n.gitmodules\nDockerfile\nparts\n',
    );
    await build(`${server.url}/outer.git?submodules=false`);
    assert.equal(await shell('ls -A /in/parts/one'), '');
    await build(`${server.url}/outer.git?subdir=parts`, ['--file', 'one/Dockerfile']);
    assert.equal(await shell('cat /in/one/words'), 'of main\n');
    await nothingIsLeft();
  });

  test('a submodule that cannot be had, and a repository that is larger than a context may be', async (t) => {
    const other = join(root, 'large');
    await mkdir(other);
    const inside = ['-C', other, ...AUTHOR];
    await runCommand('sh', ['-c', `cd ${other} && git init --quiet && head -c 9000000 /dev/urandom > big`]);
    await writeFile(join(other, 'Dockerfile'), 'FROM scratch\nCOPY . /\n');
    for (const args of [
      ['add', '.'],
      ['commit', '--quiet', '-m', 'large'],
      ['branch', 'large'],
    ]) {
      await runCommand('git', [...inside, ...args]);
    }
    await writeFile(
      join(other, '.gitmodules'),
      '[submodule "x"]\n\tpath = x\n\turl = file:///nowhere/x.git\n',
    );
    for (const args of [
      ['update-index', '--add', '--cacheinfo', `160000,${first},x`],
      ['add', '.gitmodules'],
      ['commit', '--quiet', '-m', 'modules'],
      ['branch', 'modules'],
    ]) {
      await runCommand('git', [...inside, ...args]);
    }
    await runCommand('git', ['clone', '--quiet', '--bare', other, join(root, 'large.git')]);
    assert.match(
      await build(`${server.url}/large.git#modules`, [], { expectExit: 1 }),
      /cannot be fetched: .*transport 'file' not allowed/,
    );
    const small = await startAgent(t, { args: ['--build-context-limit', '5m'] });
    const { stderr } = await small.docker(['build', `${server.url}/large.git#large`], { expectExit: 1 });
    assert.match(stderr, /cannot be fetched|larger than/);
    await nothingIsLeft(small);
  });

  test('a repository with a path that is too long below the data folder leaves nothing', async (t) => {
    const deep = join(root, 'deep.git');
    const long = `${`${'x'.repeat(200)}/`.repeat(20)}${'y'.repeat(60)}/file`;
    const script = `git init --quiet --bare --initial-branch=main ${deep} && cd ${deep} &&
      blob=$(git hash-object -w --stdin </dev/null) &&
      printf '100644 %s\\t%s\\n' $blob Dockerfile $blob ${long} | git update-index --index-info &&
      git update-ref refs/heads/main $(git ${AUTHOR.join(' ')} commit-tree -m deep $(git write-tree))`;
    await runCommand('sh', ['-c', script]);
    const agentOfDeep = await startAgent(t);
    const { stderr } = await agentOfDeep.docker(['build', `${server.url}/deep.git`], { expectExit: 1 });
    assert.match(stderr, /has a path that is too long/);
    await nothingIsLeft(agentOfDeep);
  });

  test('a private repository is shown the token or the header that the client has', async (t) => {
    server.setPrivate(true);
    t.after(() => server.setPrivate(false));
    const env = { TOKEN: 'of-mine', HEADER: 'Bearer of-mine' };
    await build(`${url}#v1`, ['--secret', 'id=GIT_AUTH_TOKEN,env=TOKEN'], { env });
    assert.equal(server.authorization(), `basic ${Buffer.from('x-access-token:of-mine').toString('base64')}`);
    assert.equal(await shell('cat /in/words'), 'of main\n');
    const host = new URL(url).host;
    const secrets = [
      '--secret',
      'id=GIT_AUTH_TOKEN,env=TOKEN',
      '--secret',
      `id=GIT_AUTH_HEADER.${host},env=HEADER`,
    ];
    const context = await makeBuildContext(t, `FROM ${image}\nADD ${url}#other/branch /in\n`);
    await build(context, secrets, { env });
    assert.equal(server.authorization(), 'Bearer of-mine');
    assert.equal(await shell('cat /in/words'), 'of the branch\n');
  });

  test('by SSH, with the keys of the agent that the client lends', async (t) => {
    const ssh = await startSshGitServer(t, root);
    const remote = `ssh://root@${ssh.host}/repo.git`;
    const env = { SSH_AUTH_SOCK: ssh.agent };
    const shown = await build(`${remote}?branch=other/branch`, ['--ssh', 'default'], { env });
    assert.match(shown, /load git source ssh:\/\/root@/);
    assert.equal(await shell('cat /in/words'), 'of the branch\n');
    const context = await makeBuildContext(t, `FROM ${image}\nADD --keep-git-dir=true ${remote}#v1 /in\n`);
    await build(context, ['--ssh', 'default'], { env });
    assert.equal(await shell('cat /in/words; cat /in/.git/HEAD'), `of main\n${first}\n`);
    const refused = { env: { SSH_AUTH_SOCK: ssh.emptyAgent }, expectExit: 1 };
    assert.match(
      await build(remote, ['--ssh', 'default'], refused),
      /cannot be fetched: .*Permission denied/,
    );
    assert.match(
      await build(context, [], { expectExit: 1 }),
      /needs an SSH key, and the client lends no SSH agent: build with BuildKit and --ssh default/,
    );
    await nothingIsLeft();
  });

  test('who hangs up stops the fetch', async (t) => {
    server.setSilent(true);
    t.after(() => server.setSilent(false));
    const leaving = new AbortController();
    const before = server.requests();
    const building = build(url, [], { signal: leaving.signal });
    await waitUntil('the server is asked', () => server.requests() > before);
    leaving.abort();
    await assert.rejects(building);
    await nothingIsLeft();
    await waitUntil('git is gone', async () => {
      const { stdout } = await runCommand('ps', ['-eo', 'args']);
      return !stdout.includes(url);
    });
  });

  test('without git on the host it is said what to install', async (t) => {
    const bare = join(await makeTempDir(t, 'path'), 'bin');
    await mkdir(bare);
    const script = 'ln -s /usr/bin/* "$0" && ln -sf /usr/sbin/* "$0" && rm "$0"/git*';
    await runCommand('sh', ['-c', script, bare]);
    const without = await startAgent(t, { enter: ['env', `PATH=${bare}`] });
    const { stderr } = await without.docker(['build', url], { expectExit: 1 });
    assert.match(stderr, /git is not installed on the host of the agent: run "apt-get install git"/);
  });
});

function post(socketPath: string, path: string): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method: 'POST', path: `/v1.45${path}` }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}
