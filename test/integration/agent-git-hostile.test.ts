import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { NO_GIT_CLIENT } from '../../runtime-agent/builder/context/git/git-access.ts';
import { gitFiles } from '../../runtime-agent/builder/context/git/git-files.ts';
import { parseGitUrl } from '../../runtime-agent/builder/context/git/git-url.ts';
import { startGitServer } from '../support/git-server.ts';
import { LONGEST_WAIT } from '../support/longest-wait.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const GIT = 'git -c user.name=a -c user.email=a@example.org';

/** Repositories that a script makes in a folder, served over HTTP. */
async function serve(t: TestContext, script: string) {
  const root = await makeTempDir(t, 'git');
  await runCommand('sh', ['-ec', `cd ${root}\n${script}`]);
  const server = await startGitServer(t, root);
  const directory = join(root, 'contexts');
  return {
    fetch: async (name: string, limits: { readonly size: number; readonly entries: number }) => {
      const url = parseGitUrl(`${server.url}/${name}.git`);
      return await gitFiles(url, NO_GIT_CLIENT, { directory, limits }, t.signal);
    },
    remains: () => readdir(directory),
    requests: () => server.requests(),
  };
}

/** Adds the commit `$C` of the repository `url` as a submodule. */
const submodule = (name: string, url: string) =>
  `printf '[submodule "%s"]\\n path = %s\\n url = ${url}\\n' ${name} ${name} >> .gitmodules
git update-index --add --cacheinfo 160000,$C,${name}`;

describe('hostile git repositories', { timeout: LONGEST_WAIT }, () => {
  it('submodules are bounded while they are written', async (t) => {
    const { fetch, remains, requests } = await serve(
      t,
      `git init -q -b main large; cd large; for i in 1 2 3 4 5 6 7 8; do yes | head -c 9M > z$i; done; git add .
${GIT} commit -qm x; C=$(git rev-parse HEAD); cd ..; git clone -q --bare large large.git
git init -q -b main wide; cd wide
for i in $(seq 20); do ${submodule('s$i', '../large.git')}; done
git add .gitmodules; ${GIT} commit -qm x; cd ..; git clone -q --bare wide wide.git`,
    );
    await assert.rejects(fetch('wide', { size: 10 << 20, entries: 1000 }), {
      code: 'bad-request',
      message: /^the git repository is larger than 10485760 bytes$/,
    });
    assert.ok(requests() < 40, `${requests()} requests: not all twenty of 72 MB are asked for`);
    assert.deepEqual(await remains(), []);
  });

  it('submodules within submodules have a depth', async (t) => {
    const { fetch } = await serve(
      t,
      `git init -q -b main deep; cd deep; echo x > file; git add file; ${GIT} commit -qm 0
C=$(git rev-parse HEAD); ${submodule('m', './')}; git add .gitmodules
for i in $(seq 1 22); do git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),m; ${GIT} commit -qm $i; done
cd ..; git clone -q --bare deep deep.git; git -C deep.git config uploadpack.allowAnySHA1InWant true`,
    );
    await assert.rejects(
      fetch('deep', { size: 1 << 30, entries: 1000 }),
      /it has submodules within submodules, deeper than 20/,
    );
  });

  it('references of a server are not read without a limit', async (t) => {
    const { fetch } = await serve(
      t,
      `git init -q -b main many; cd many; ${GIT} commit -q --allow-empty -m x; C=$(git rev-parse HEAD); cd ..
git clone -q --bare many many.git; seq -f "$C refs/heads/%06g/HEAD" 1 20000 > many.git/packed-refs`,
    );
    await assert.rejects(fetch('many', { size: 1 << 30, entries: 1000 }), /too many references of one name/);
  });
});
