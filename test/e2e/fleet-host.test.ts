import assert from 'node:assert/strict';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppReport } from '../../fleet/report.ts';
import type { AppTarget } from '../../fleet/target.ts';
import type { Digest } from '../../oci/digest.ts';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import { removeMembership } from '../../runtime-agent/fleet/membership.ts';
import { startAgent } from '../support/agent-process.ts';
import { defer } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { startFleetRegistry } from '../support/fleet-registry.ts';
import { appTarget, serviceSpec, serviceTarget } from '../support/fleet-targets.ts';
import { freePort } from '../support/free-port.ts';
import { imageFolder } from '../support/image-cache.ts';
import { endProxy } from '../support/ingress.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { AGENT_PROGRAM } from '../support/programs.ts';
import { pushLayout } from '../support/push-layout.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';
import { runCommand } from '../support/run-command.ts';
import type { TestImage } from '../support/test-image.ts';
import { makeBigImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const APP = 'team/shop';
const HOST = 'shop.test';
const SERVE = 'mkdir /www; echo release $RELEASE >/www/index.html; exec httpd -f -p 80 -h /www';

test('a host of the registry updates behind its ingress without a failed request, and keeps what works', {
  skip: unlessRoot(),
}, async (t) => {
  const registry = await startFleetRegistry(t);
  const folder = await imageFolder(t);
  const images = [await makeBigImage(folder, 1000, 'one'), await makeBigImage(folder, 1000, 'two')] as const;
  for (const [index, image] of images.entries()) {
    const user = { name: 'admin', password: ADMIN_PASSWORD };
    await pushLayout(image, `${new URL(registry.url).host}/team/app:${index}`, user);
  }
  const port = await freePort();
  const agent = await startAgent(t, { args: ['--ingress', `127.0.0.1:${port}`] });
  defer(t, () => endProxy(join(runDirectory(agent.dataDir), 'ingress')));
  defer(t, async () => {
    await removeMembership(agent.dataDir);
    await agent.restart();
  });
  const token = await registry.joinToken({ role: 'web' });
  await runCommand(process.execPath, [
    AGENT_PROGRAM,
    'join',
    registry.url,
    token,
    '--data',
    agent.dataDir,
    '--name',
    'web1',
  ]);
  const host = await eventually('the host is connected', async () => {
    const found = await registry.hosts.find('web1');
    return found?.connected ? found : undefined;
  });
  const set = (target: AppTarget) =>
    registry.hosts.setTargets([{ host: host.id, set: [target], remove: [] }]);
  const reported = (check: (report: AppReport) => boolean) =>
    eventually('the app is reported so', async () => {
      const reports = (await registry.hosts.find('web1'))?.reports ?? [];
      return reports.find((report) => report.app === APP && check(report));
    });
  const healthy = (release: number) =>
    reported((report) => report.release === release && report.phase === 'healthy');
  await set(webTarget(1, images[0]));
  await healthy(1);

  const clients = startClients(port);
  for (let release = 2; release <= 4; release += 1) {
    await set(webTarget(release, images[release % 2 === 0 ? 1 : 0]));
    await healthy(release);
  }
  await set(webTarget(5, images[0], 'echo no database; exit 3'));
  const failed = await reported((report) => report.phase === 'failed' && report.instances.length === 1);
  assert.match(failed.reason ?? '', /no database/);
  await sleep(200);
  const { answers, failures } = await clients.stop();
  assert.deepEqual(failures, []);
  assert.deepEqual([...answers.keys()], ['release 1\n', 'release 2\n', 'release 3\n', 'release 4\n']);

  await agent.kill();
  assert.equal(await getText(port, new Agent()), 'release 4\n');
  await agent.restart();
  await set(webTarget(6, images[1]));
  await healthy(6);
  assert.equal(await getText(port, new Agent()), 'release 6\n');
});

function webTarget(number: number, image: TestImage, script = SERVE): AppTarget {
  const web = serviceSpec('web', {
    command: ['sh', '-c', script],
    environment: { RELEASE: String(number) },
    route: { kind: 'http', host: HOST, path: '/', port: 80, health: '/', tls: { kind: 'none' } },
  });
  const pinned = { repository: 'team/app', digest: image.digest as Digest };
  return appTarget(number, [serviceTarget(web, pinned, { hash: `web${number}` })]);
}

/** Clients that ask for the page without a pause, on kept connections. */
function startClients(port: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const answers = new Map<string, number>();
  const failures: string[] = [];
  let isOver = false;
  const running = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      await getText(port, agent).then(
        (text) => answers.set(text, (answers.get(text) ?? 0) + 1),
        (error: Error) => failures.push(error.message),
      );
      await sleep(5);
    }
  });
  return {
    stop: async () => {
      isOver = true;
      await Promise.all(running);
      agent.destroy();
      return { answers, failures };
    },
  };
}

function getText(port: number, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent, headers: { host: HOST } }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () =>
        response.statusCode === 200 ? resolve(text) : reject(new Error(`${response.statusCode}: ${text}`)),
      );
      response.on('error', reject);
    }).on('error', reject);
  });
}
