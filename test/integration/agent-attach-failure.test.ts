import assert from 'node:assert/strict';
import { readdir, readlink } from 'node:fs/promises';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Attachment } from '../../runtime-agent/containers/containers.ts';
import { type AgentContainers, collectOutput, openAgentContainers } from '../support/agent-containers.ts';
import { enterAgentNamespace } from '../support/agent-namespace.ts';
import { containerConfig, hostConfig } from '../support/container-requests.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterAgentNamespace();

const WORKER = new URL('../support/failing-attach-worker.ts', import.meta.url);
const FAILED = { code: 'runtime', message: /^the thread that serves attached clients failed \(it / };
const TICKS = ['sh', '-c', 'while true; do echo tick; sleep 0.05; done'];

describe('the thread that serves attached clients fails', { skip: unlessRoot(), timeout: 900_000 }, () => {
  const steps: (() => Promise<void> | void)[] = [];
  let agent: AgentContainers;
  before(async () => {
    agent = await openAgentContainers({ after: (step) => steps.push(step) }, { attachWorker: WORKER });
  });
  afterEach(() => {
    delete process.env.BERTH_TEST_ATTACH;
  });
  after(async () => {
    for (const step of steps) await step();
  });

  const create = async (cmd: readonly string[]) => {
    const { containers } = agent;
    const { id } = await containers.create({ config: containerConfig(cmd), hostConfig: hostConfig() });
    const attach = () => containers.attach(id, { stdin: false, stdout: true, stderr: true });
    return { id, containers, attach };
  };

  for (const fails of ['start', 'exit']) {
    it(`a start with a client fails when it fails by ${fails}, and the next one works`, async () => {
      const { id, containers, attach } = await create(['echo', 'here']);
      process.env.BERTH_TEST_ATTACH = fails;
      const lost = await attach();
      if (fails === 'start') {
        await assert.rejects(containers.start(id), FAILED);
        assert.equal((await containers.get(id)).state.status, 'exited');
        await assert.rejects(collectOutput(lost), FAILED);
      } else {
        await containers.start(id).catch((error) => assert.match(error.message, FAILED.message));
        await collectOutput(lost).catch((error) => assert.match(error.message, FAILED.message));
      }
      delete process.env.BERTH_TEST_ATTACH;
      await waitUntil('it does not run', async () => (await containers.get(id)).state.pid === 0);
      await waitUntil('a thread works again', async () => {
        const client = await attach();
        const ended = (await containers.wait(id, 'next-exit', new AbortController().signal)).result;
        await containers.start(id);
        const { stdout } = await collectOutput(client);
        await ended;
        return stdout === 'here\n';
      });
    });
  }

  it('a client of a container that runs is told, and the next one is served', async () => {
    const { id, containers } = await create(TICKS);
    await containers.start(id);
    process.env.BERTH_TEST_ATTACH = 'start';
    // The thread of the tests before serves until it is gone.
    agent = await agent.restart();
    await assert.rejects(agent.containers.attach(id, { stdin: false, stdout: true, stderr: true }), FAILED);
    delete process.env.BERTH_TEST_ATTACH;
    const client = await agent.containers.attach(id, { stdin: false, stdout: true, stderr: true });
    assert.match(await firstOutput(client), /^(?:tick\n)+/);
    await agent.containers.remove(id, { force: true, volumes: false });
  });

  it('clients of a thread that breaks fail, the container goes on, and no descriptor is left', async () => {
    agent = await agent.restart();
    process.env.BERTH_TEST_ATTACH = 'output';
    const { id, containers, attach } = await create(TICKS);
    await containers.start(id);
    const before = await countSockets();
    await assert.rejects(attach().then(firstOutput), FAILED);
    delete process.env.BERTH_TEST_ATTACH;
    assert.equal((await containers.get(id)).state.status, 'running');
    await waitUntil('no descriptor is left', async () => (await countSockets()) <= before);
    // Twice, as a container whose output nobody takes would stand still after a while.
    for (const _ of ['once', 'again']) assert.match(await firstOutput(await attach()), /^(?:tick\n)+/);
    await containers.remove(id, { force: true, volumes: false });
  });
});

async function firstOutput(client: Attachment): Promise<string> {
  for await (const { data } of client.output) {
    client.close();
    return Buffer.from(data).toString();
  }
  return '';
}

async function countSockets(): Promise<number> {
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  return links.filter((link) => link.startsWith('socket:')).length;
}
