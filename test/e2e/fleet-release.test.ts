import assert from 'node:assert/strict';
import { test } from 'node:test';
import { removeMembership } from '../../runtime-agent/fleet/membership.ts';
import { startAgent } from '../support/agent-process.ts';
import { defer } from '../support/cleanup.ts';
import { AGENT_CACHE } from '../support/compile-cache.ts';
import { eventually } from '../support/eventually.ts';
import { startFleetRegistry } from '../support/fleet-registry.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { AGENT_PROGRAM } from '../support/programs.ts';
import { pushLayout } from '../support/push-layout.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';
import { runCommand } from '../support/run-command.ts';
import { makeStackedImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const APP = '/apps/team%2Fshop';

test('a push runs on a host of the real agent, and a failing one goes back', {
  skip: unlessRoot(),
}, async (t) => {
  const registry = await startFleetRegistry(t);
  const agent = await startAgent(t);
  // An agent without a fleet does not start again what the end of the test removes.
  defer(t, async () => {
    await removeMembership(agent.dataDir);
    await agent.restart();
  });
  const token = await registry.joinToken({ role: 'web' });
  const joined = ['join', registry.url, token, '--data', agent.dataDir, '--name', 'web1'];
  await runCommand(process.execPath, [AGENT_PROGRAM, ...joined], { env: AGENT_CACHE });
  const host = new URL(registry.url).host;
  const user = { name: 'admin', password: ADMIN_PASSWORD };
  const folder = await imageFolder(t);
  const push = async (file: string) =>
    pushLayout(await makeStackedImage(folder, [file], 1000), `${host}/team/web:main`, user);
  await push('one');
  const command = 'test -e /three && echo no database && exit 3; mkdir /www; exec httpd -f -p 80 -h /www';
  const web = {
    image: `${host}/team/web:main`,
    command: ['sh', '-c', command],
    deploy: { update_config: { monitor: '300ms' } },
  };
  await eventually('the host is online', async () => {
    const answer = await registry.manage('GET', '/hosts/web1');
    return answer.ok && ((await answer.json()) as { state: string }).state === 'online' ? true : undefined;
  });
  const body = { compose: { services: { web } }, on: { role: 'web' }, follow: true };
  const answer = await registry.manage('POST', `${APP}/releases`, body);
  assert.equal(answer.status, 201, await answer.text());
  const ended = async (number: number) =>
    eventually(`release ${number} ended`, async () => {
      const releases = await registry.manage('GET', `${APP}/releases`);
      const [newest] = ((await releases.json()) as { releases: Record<string, unknown>[] }).releases;
      return newest?.release === number && newest.endedAt !== null ? newest : undefined;
    });
  assert.equal((await ended(1)).state, 'done', JSON.stringify(await ended(1)));
  await push('two');
  const second = await ended(2);
  assert.equal(second.state, 'done', JSON.stringify(second));
  await push('three');
  const third = await ended(3);
  assert.equal(third.state, 'rolled back', JSON.stringify(third));
  assert.match(String(third.reason), /^web1: web 1 exited with code 3.*no database/);
  const running = await agent.docker(['ps', '--format', '{{.Names}} {{.Label "io.berth.release"}}']);
  assert.equal(running.stdout.trim(), 'team-shop-web-1 2');
});
