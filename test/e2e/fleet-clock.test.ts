import assert from 'node:assert/strict';
import { test } from 'node:test';
import { removeMembership } from '../../runtime-agent/fleet/membership.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { defer } from '../support/cleanup.ts';
import { AGENT_CACHE } from '../support/compile-cache.ts';
import { startFleetRegistry } from '../support/fleet-registry.ts';
import { imageFolder } from '../support/image-cache.ts';
import { makeMovedClock } from '../support/moved-clock.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { AGENT_PROGRAM } from '../support/programs.ts';
import { pushLayout } from '../support/push-layout.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';
import { runCommand } from '../support/run-command.ts';
import { makeBigImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

const APP = '/apps/team%2Fshop';
/** Seconds. */
const HOUR = 3600;

test('hosts whose clocks are an hour ahead and an hour behind join, follow pushes, go back, and come again', {
  skip: unlessRoot(),
}, async (t) => {
  const registry = await startFleetRegistry(t);
  const agents: AgentProcess[] = [];
  for (const [name, seconds] of [
    ['ahead', HOUR],
    ['behind', -HOUR],
  ] as const) {
    const clock = await makeMovedClock(t);
    await clock.move(seconds);
    const variables = Object.entries(clock.env).map(([key, value]) => `${key}=${value}`);
    const agent = await startAgent(t, { enter: ['env', ...variables] });
    // An agent without a fleet does not start again what the end of the test removes.
    defer(t, async () => {
      await removeMembership(agent.dataDir);
      await agent.restart();
    });
    const joining = ['join', registry.url, await registry.joinToken(), '--data', agent.dataDir];
    await runCommand(process.execPath, [AGENT_PROGRAM, ...joining, '--name', name], {
      env: { ...AGENT_CACHE, ...clock.env },
    });
    agents.push(agent);
  }
  const areOnline = () =>
    untilPasses(async () => {
      const { hosts } = (await (await registry.manage('GET', '/hosts')).json()) as {
        hosts: { name: string; state: string }[];
      };
      assert.deepEqual(
        hosts.map(({ name, state }) => `${name} ${state}`),
        ['ahead online', 'behind online'],
      );
    });
  await areOnline();

  const images = await imageFolder(t);
  const push = async (seed: string) => {
    const image = `${new URL(registry.url).host}/team/web:main`;
    await pushLayout(await makeBigImage(images, 1000, seed), image, {
      name: 'admin',
      password: ADMIN_PASSWORD,
    });
    return image;
  };
  const image = await push('one');
  await registry.manage('PUT', `${APP}/secrets/KEY`, { value: 'eA==' });
  const web = (command: readonly string[]) => ({
    image,
    command,
    init: true,
    secrets: ['KEY'],
    healthcheck: { test: ['CMD', 'true'], interval: '200ms' },
    deploy: { update_config: { monitor: '1s' } },
  });
  const deploy = async (command: readonly string[]) => {
    const compose = { services: { web: web(command) }, secrets: { KEY: { external: true } } };
    const answer = await registry.manage('POST', `${APP}/releases`, { compose, follow: true });
    assert.equal(answer.status, 201, await answer.text());
  };
  const ends = (...wanted: readonly string[]) =>
    untilPasses(async () => {
      const answer = await registry.manage('GET', `${APP}/releases`);
      const { releases } = (await answer.json()) as { releases: { state: string }[] };
      assert.deepEqual(
        releases.map(({ state }) => state),
        wanted,
      );
    });
  await deploy(['sleep', '600']);
  await ends('done');
  await push('two');
  await ends('done', 'done');
  await deploy(['sh', '-c', 'exit 3']);
  await ends('rolled back', 'done', 'done');
  for (const agent of agents) {
    await agent.kill();
    await agent.restart();
  }
  await areOnline();
  await deploy(['sleep', '700']);
  await ends('done', 'rolled back', 'done', 'done');
  for (const agent of agents) {
    const { stdout } = await agent.docker(['ps', '--format', '{{.Label "io.berth.release"}}']);
    assert.equal(stdout, '4\n');
  }
});
