import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type AgentContainers, openAgentContainers, runContainer } from '../support/agent-containers.ts';
import { enterAgentNamespace } from '../support/agent-namespace.ts';
import { containerConfig, hostConfig, IMAGE } from '../support/container-requests.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterAgentNamespace();

const FOREIGN = process.arch === 'arm64' ? 'amd64' : 'arm64';
const FOREIGN_MACHINE = process.arch === 'arm64' ? 62 : 183;

describe('containers of images for other machines', { skip: unlessRoot() }, () => {
  it('warns at creation, and runs what this machine can run all the same', async (t) => {
    const agent = await openForeign(t);
    const { warnings } = await agent.containers.create({
      config: containerConfig(['true']),
      hostConfig: hostConfig(),
    });
    assert.match(
      warnings.join(),
      new RegExp(
        `^The requested image's platform \\(linux/${FOREIGN}\\) does not match the detected host platform \\(linux/\\w+\\)`,
      ),
    );
    assert.equal((await runContainer(agent, ['echo', 'native'])).stdout, 'native\n');
  });

  it('refuses to start a program of another machine, also behind a script', async (t) => {
    const agent = await openForeign(t);
    for (const command of ['/foreign', 'foreign', '/script']) {
      const { id } = await agent.containers.create({
        config: containerConfig([command], { Env: ['PATH=/usr/bin:/'] }),
        hostConfig: hostConfig(),
      });
      await writePrograms(agent, id);
      await assert.rejects(agent.containers.start(id), {
        code: 'bad-request',
        message: /OCI runtime create failed: .*exec: ".*": exec format error/,
      });
      const { state } = await agent.containers.get(id);
      assert.deepEqual([state.status, state.exitCode], ['exited', 126]);
    }
  });

  it('compares with the platform that was asked for', async (t) => {
    const agent = await openForeign(t);
    const create = (platform: string) =>
      agent.containers.create({ config: containerConfig(['true']), hostConfig: hostConfig(), platform });
    assert.deepEqual((await create(`linux/${FOREIGN}`)).warnings, []);
    await assert.rejects(create('linux/s390x'), {
      code: 'not-found',
      message: `image with reference ${IMAGE} was found but does not match the specified platform: wanted linux/s390x, actual: linux/${FOREIGN}`,
    });
    await assert.rejects(create('a/b/c/d'), { code: 'bad-request' });
  });
});

function openForeign(scope: Parameters<typeof openAgentContainers>[0]): Promise<AgentContainers> {
  return openAgentContainers(scope, { image: { platform: { os: 'linux', architecture: FOREIGN } } });
}

/** A program with the header of the other machine, and a script that it is to run. */
async function writePrograms({ layerStore, overlays }: AgentContainers, id: string): Promise<void> {
  const { path } = await overlays.mount(id, await layerStore.list());
  const program = Buffer.alloc(64);
  program.write('\x7fELF\x02\x01\x01', 'latin1');
  program.writeUInt16LE(FOREIGN_MACHINE, 18);
  await writeFile(join(path, 'foreign'), program);
  await writeFile(join(path, 'script'), '#!/foreign -x\n');
  for (const name of ['foreign', 'script']) await chmod(join(path, name), 0o755);
}
