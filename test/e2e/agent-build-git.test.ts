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
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

describe('docker build of a git repository', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const { agent, image } = await startAgentWithImage(scope);
  const root = await makeTempDir(scope, 'git');
  const work = join(root, 'work');
  await mkdir(work);
  const git = async (...args: readonly string[]) => {
    const author = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'protocol.file.allow=always'];
    return (await runCommand('git', ['-C', work, ...author, ...args])).stdout.trim();
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

  test('the files of the branch that it has checked out, without what is ignored', async () => {
    assert.match(await build(url), new RegExp(`\\[internal\\] load git source ${url}`));
    assert.equal(
      await shell('cat /in/words; ls -A /in'),
      'of main\n.dockerignore\n.gitattributes\nDockerfile\ndeep\nwords\n',
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
  ] as const) {
    test(`a branch, a tag or a commit: ${fragment.replace(first, 'COMMIT')}`, async () => {
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
    assert.match(ssh.body, /needs an SSH key, of which this agent has none/);
    const other = await post(agent.socket, '/build?remote=http://127.0.0.1:1/file.tar');
    assert.equal(other.status, 501);
    assert.match(other.body, /fetches no contexts but git repositories/);
  });

  for (const [what, context, message] of [
    ['a branch that is not there', `${url}#nope`, /cannot be fetched: fatal: couldn't find remote ref nope/],
    ['a commit that is not there', `${url}#${'0'.repeat(40)}`, /cannot be fetched: .*0000000/],
    [
      'a repository that is not there',
      `${server.url}/nope.git`,
      /cannot be fetched: fatal: repository .* not found/,
    ],
    ['a folder that is not there', `${url}#main:nope`, /cannot be fetched: fatal: .*nope/],
    ['a folder outside', `${url}#main:../x`, /leads out of the git repository/],
    ['a server that is not there', 'http://127.0.0.1:1/x.git', /cannot be fetched: fatal: unable to access/],
    ['an option in place of a branch', `${url}#--upload-pack=x`, /is no branch, tag or commit/],
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

  test('submodules are refused, and a repository that is larger than a context may be', async (t) => {
    const other = join(root, 'large');
    await mkdir(other);
    const inside = ['-C', other, '-c', 'user.name=t', '-c', 'user.email=t@t'];
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
      '[submodule "x"]\n\tpath = x\n\turl = http://127.0.0.1:1/x.git\n',
    );
    for (const args of [
      ['add', '.'],
      ['commit', '--quiet', '-m', 'modules'],
      ['branch', 'modules'],
    ]) {
      await runCommand('git', [...inside, ...args]);
    }
    await runCommand('git', ['clone', '--quiet', '--bare', other, join(root, 'large.git')]);
    assert.match(await build(`${server.url}/large.git#modules`, [], { expectExit: 1 }), /has submodules/);
    const small = await startAgent(t, { args: ['--build-context-limit', '5m'] });
    const { stderr } = await small.docker(['build', `${server.url}/large.git#large`], { expectExit: 1 });
    assert.match(stderr, /cannot be fetched|larger than/);
    await nothingIsLeft(small);
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
