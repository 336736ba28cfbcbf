import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cp, readFile, statfs } from 'node:fs/promises';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import { removeMembership } from '../../runtime-agent/fleet/membership.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { defer } from '../support/cleanup.ts';
import { AGENT_CACHE } from '../support/compile-cache.ts';
import { startFleetRegistry } from '../support/fleet-registry.ts';
import { freePort } from '../support/free-port.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { AGENT_PROGRAM } from '../support/programs.ts';
import { pushLayout } from '../support/push-layout.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';
import { runCommand } from '../support/run-command.ts';
import { makeBigImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

const APP = '/apps/team%2Fshop';
const HOST = 'shop.test';
const MEBIBYTE = 1024 * 1024;

/** One registry and one host; each test leaves the app as it was. */
describe('faults of a host', { skip: unlessRoot(), timeout: 600_000 }, async () => {
  const scope = { after };
  const registry = await startFleetRegistry(scope);
  const port = await freePort();
  const agent = await startAgent(scope, { args: ['--ingress', `127.0.0.1:${port}`], dataOn: 'tmpfs' });
  const leave = (one: AgentProcess) =>
    // An agent without a fleet does not start again what the end of the test removes.
    defer(scope, async () => {
      await removeMembership(one.dataDir);
      await one.restart();
    });
  leave(agent);
  const joining = ['join', registry.url, await registry.joinToken(), '--data', agent.dataDir];
  await runCommand(process.execPath, [AGENT_PROGRAM, ...joining, '--name', 'web1'], { env: AGENT_CACHE });
  const isConnected = async () => (await registry.hosts.find('web1'))?.connected === true;
  await waitUntil('the host is connected', isConnected);
  const images = await imageFolder(scope);
  const push = async (size: number, seed: string) =>
    pushLayout(await makeBigImage(images, size, seed), `${new URL(registry.url).host}/team/web:${seed}`, {
      name: 'admin',
      password: ADMIN_PASSWORD,
    });
  const newest = async () => {
    const answer = await registry.manage('GET', `${APP}/releases?limit=1`);
    const { releases } = (await answer.json()) as { releases: Record<string, unknown>[] };
    return releases[0] ?? {};
  };
  /** Deploys an image; answers the release once it has ended. */
  const deploy = async (tag: string) => {
    const web = {
      image: `${new URL(registry.url).host}/team/web:${tag}`,
      command: ['sh', '-c', `mkdir /www; echo ${tag} >/www/index.html; exec httpd -f -p 80 -h /www`],
      stop_grace_period: '1s',
      deploy: { update_config: { monitor: '200ms' } },
      'x-berth': { route: { host: HOST, port: 80 } },
    };
    const body = { compose: { services: { web } }, timeout: 60 };
    const answer = await registry.manage('POST', `${APP}/releases`, body);
    assert.equal(answer.status, 201, await answer.text());
    await waitUntil('the release ends', async () => (await newest()).endedAt !== null);
    return newest();
  };
  const ask = () =>
    new Promise<string>((resolve, reject) => {
      get({ host: '127.0.0.1', port, headers: { host: HOST }, agent: false }, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      }).on('error', reject);
    });
  const running = async () => (await agent.docker(['ps', '-a', '--format', '{{.ID}}'])).stdout;

  await push(1000, 'one');
  assert.equal((await deploy('one')).state, 'done');

  test('a disk that is full in a pull fails the release, and nothing of it is left', async () => {
    await push(48 * MEBIBYTE, 'large');
    const before = await running();
    const used = async () => {
      const { blocks, bfree, bsize } = await statfs(agent.dataDir);
      return (blocks - bfree) * bsize;
    };
    const resize = (bytes: number) =>
      runCommand('mount', ['-o', `remount,size=${bytes}`, agent.dataDir]).then(() => undefined);
    const usedBefore = await used();
    await resize(usedBefore + 24 * MEBIBYTE);
    const failed = await deploy('large');
    assert.equal(failed.state, 'rolled back', JSON.stringify(failed));
    assert.match(String(failed.reason), /^web1: no space is left on the disk of the data folder/);
    assert.equal(await running(), before);
    assert.equal(await ask(), 'one\n');
    // The log of the database may have grown.
    await untilPasses(async () => assert.ok((await used()) < usedBefore + 8 * MEBIBYTE));
    await resize(usedBefore + 512 * MEBIBYTE);
    assert.equal((await deploy('large')).state, 'done');
    assert.equal(await ask(), 'large\n');
  });

  test('a proxy that was killed while the agent was away serves again once it is back', async () => {
    const served = await ask();
    await agent.kill();
    const file = join(runDirectory(agent.dataDir), 'ingress', 'master.pid');
    process.kill(Number(await readFile(file, 'utf8')), 'SIGKILL');
    await waitUntil('nothing serves', () =>
      ask().then(
        () => false,
        () => true,
      ),
    );
    await agent.restart();
    await untilPasses(async () => assert.equal(await ask(), served));
  });

  test('an ingress whose port is taken is started once the port is free', async (t) => {
    const served = await ask();
    await agent.kill();
    const file = join(runDirectory(agent.dataDir), 'ingress', 'master.pid');
    process.kill(Number(await readFile(file, 'utf8')), 'SIGKILL');
    const other = createServer((socket) => socket.destroy());
    await untilPasses(async () => {
      other.listen(port, '127.0.0.1');
      await once(other, 'listening');
    });
    defer(t, () => other[Symbol.asyncDispose]());
    await agent.restart();
    const hasIngress = async () => (await registry.hosts.find('web1'))?.facts.ingress;
    await untilPasses(async () => assert.equal(await hasIngress(), false));
    await other[Symbol.asyncDispose]();
    await untilPasses(async () => assert.equal(await hasIngress(), true));
    await untilPasses(async () => assert.equal(await ask(), served));
  });

  test('a copy of a host is told to stop, and a host that was removed keeps what runs', async () => {
    await waitUntil('the host is connected', isConnected);
    const copy = await startAgent(scope);
    leave(copy);
    await copy.stop();
    await cp(join(agent.dataDir, 'fleet'), join(copy.dataDir, 'fleet'), { recursive: true });
    await copy.restart();
    await agent.process().waitForLine(/another machine has connected with the identity of this host/);
    await waitUntil('the audit says so', async () => (await registry.audited(/two machines/)).length > 0);
    const before = [await running(), await ask()];
    assert.equal((await registry.manage('DELETE', '/hosts/web1')).status, 204);
    await copy.process().waitForLine(/this host was removed from the registry; its instances keep running/);
    await agent.restart();
    await agent
      .process()
      .waitForLine(/there is no such host here: it was removed.*the registry refuses this host/);
    assert.deepEqual([await running(), await ask()], before);
  });
});
