import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { SHELLS } from '../../lib/terminal/completion.ts';
import { runBerthIn } from '../support/berth-command.ts';
import { AGENT_PROGRAM, REGISTRY_PROGRAM } from '../support/programs.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';

describe('completion', async () => {
  const registry = await startRegistryWithAccounts({ after });
  await registry.admin.pushImage('team/app', '1.0');
  await registry.admin.pushImage('team/app', '1.1');
  await registry.admin.pushImage('team/other', '2');
  await registry.addUser('nobody', {});
  const folder = await makeTempDir({ after }, 'completion');
  const { host } = new URL(registry.url);
  const as = (name: string) => ({
    DOCKER_CONFIG: folder,
    BERTH_SERVER: registry.url,
    BERTH_TOKEN: `${name}:${ADMIN_PASSWORD}`,
  });
  const list = async (env: Readonly<Record<string, string>>, ...args: readonly string[]) => {
    const { exitCode, stderr, stdout } = await runBerthIn(env, 'completion', '--list', ...args);
    assert.deepEqual([exitCode, stderr], [0, '']);
    return stdout.split('\n').filter(Boolean);
  };

  test('the registry tells repositories, tags, apps and hosts that the person may see', async () => {
    for (const [words, names] of [
      [['repositories', 'team/a'], ['team/app']],
      [['repositories', `${host}/team/o`], [`${host}/team/other`]],
      [
        ['images', 'team/'],
        ['team/app:', 'team/other:'],
      ],
      [
        ['images', 'team/app:1.'],
        ['team/app:1.0', 'team/app:1.1'],
      ],
      [['images', 'team/none:'], []],
      [['apps', ''], []],
      [['hosts', ''], []],
      [['secrets', ''], []],
    ] as const) {
      assert.deepEqual(await list(as('admin'), ...words), names, words.join(' '));
    }
    assert.deepEqual(await list(as('nobody'), 'repositories', ''), []);
  });

  test('it is silent where no registry answers, and does not wait long', async (t) => {
    const silent = createServer(() => {});
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    t.after(() => {
      silent.closeAllConnections();
      silent.close();
    });
    const { port } = silent.address() as { port: number };
    for (const server of [`http://127.0.0.1:${port}`, 'http://127.0.0.1:1', 'ftp://nowhere']) {
      assert.deepEqual(await list({ DOCKER_CONFIG: folder, BERTH_SERVER: server }, 'repositories', ''), []);
    }
    assert.deepEqual(await list({ DOCKER_CONFIG: join(folder, 'none') }, 'repositories', ''), []);
  });

  test('bash completes commands, options, repositories and tags', async () => {
    const script = join(folder, 'berth.bash');
    await writeFile(script, (await runBerthIn({}, 'completion', 'bash')).stdout);
    const complete = async (line: string) => {
      const ask = `
        shopt -s expand_aliases
        berth() { ${process.execPath} ${REGISTRY_PROGRAM} "$@"; }
        compopt() { :; }
        . ${script}
        COMP_LINE=$1 COMP_POINT=\${#1}
        _berth
        printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout } = await runCommand('bash', ['-c', ask, 'bash', line], { env: as('admin') });
      return stdout.split('\n').filter(Boolean);
    };
    assert.deepEqual(await complete('berth mani'), ['manifest']);
    assert.deepEqual(await complete('berth tag ins'), ['inspect']);
    assert.deepEqual(await complete('berth tag ls --se'), ['--search', '--server']);
    assert.deepEqual(await complete('berth repo rm team/o'), ['team/other']);
    assert.deepEqual(await complete('berth tag rm team/app:1.'), ['1.0', '1.1']);
    assert.deepEqual(await complete('berth tag cp team/app:1.0 team/oth'), ['team/other:']);
    assert.deepEqual(await complete('berth completion f'), ['fish']);
  });

  test('each shell gets the words of both programs', async () => {
    for (const shell of SHELLS) {
      const { stdout } = await runBerthIn({}, 'completion', shell);
      for (const word of ['manifest', 'inspect', 'catalog']) {
        assert.ok(stdout.includes(word), `${shell}: ${word}`);
      }
      assert.match(stdout, /completion --list/);
      const agent = await runCommand(process.execPath, [AGENT_PROGRAM, 'completion', shell]);
      for (const word of ['doctor', 'insecure-registry', 'format'])
        assert.ok(agent.stdout.includes(word), word);
    }
    const wrong = await runBerthIn({}, 'completion', 'tcsh');
    assert.deepEqual([wrong.exitCode, wrong.stdout], [2, '']);
    assert.match(wrong.stderr, /write: berth completion bash\|zsh\|fish/);
  });
});
