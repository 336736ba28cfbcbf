import assert from 'node:assert/strict';
import { access } from 'node:fs/promises';
import { test } from 'node:test';
import { STALL_EXIT_CODE } from '../../lib/watchdog/watch-orders.ts';
import { startAgent } from '../support/agent-process.ts';
import { BLOCKING } from '../support/block-event-loop.ts';
import { callEngineAt } from '../support/engine-call.ts';
import { freePort } from '../support/free-port.ts';
import { imageFolder } from '../support/image-cache.ts';
import type { ManagedProcess } from '../support/managed-process.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const BLOCKED = '/block-the-event-loop/json?token=secret';

/** Checks what a program that was blocked by a request has left in the log. */
async function checkEnd(process: ManagedProcess, request: string): Promise<void> {
  assert.deepEqual(await process.exited, { code: STALL_EXIT_CODE, signal: null });
  const line = process
    .output()
    .split('\n')
    .find((text) => text.includes('the event loop has not turned'));
  assert.ok(line, process.output());
  const { level, stack, serving } = JSON.parse(line);
  assert.equal(level, 60);
  assert.match(stack, /^at blockTheEventLoop \(file:.*block-event-loop\.ts:\d+:\d+\)\n/);
  assert.equal(serving.length, 1);
  assert.ok(serving[0].startsWith(`${request} (`), serving[0]);
  assert.doesNotMatch(line, /secret/);
}

test('a registry whose event loop is blocked ends with a stack in its log, and counts that', {
  timeout: 900_000,
}, async (t) => {
  const metrics = `127.0.0.1:${await freePort()}`;
  const args = ['--watchdog', '1s', '--metrics', metrics, '--log-level', 'error'];
  const registry = await startRegistry(t, { args, env: { NODE_OPTIONS: BLOCKING } });
  const ends = async () =>
    /^berth_watchdog_ends_total (\d+)$/m.exec(await (await fetch(`http://${metrics}/metrics`)).text())?.[1];
  assert.equal(await ends(), '0');
  await assert.rejects(fetch(`${registry.url}/v2${BLOCKED}`));
  await checkEnd(registry.process(), 'GET /v2/block-the-event-loop/json');
  await registry.restart();
  assert.equal(await ends(), '1');
  assert.equal((await fetch(`${registry.url}/v2/`)).status, 200);
});

test('an agent whose event loop is blocked ends, its containers go on, and the next agent has them', {
  skip: unlessRoot(),
  timeout: 900_000,
}, async (t) => {
  const registry = await startRegistry(t);
  const image = `${registry.host}/team/busybox:1`;
  await pushLayout(await makeBusyboxImage(await imageFolder(t)), image);
  const enter = ['env', `NODE_OPTIONS=${BLOCKING}`];
  const agent = await startAgent(t, { args: ['--watchdog', '1s', '--log-level', 'error'], enter });
  const ends = async () =>
    /^berth_agent_watchdog_ends_total (\d+)$/m.exec(
      (await callEngineAt(agent.socket, 'GET', '/metrics')).text,
    )?.[1];
  assert.equal(await ends(), '0');
  await agent.docker(['run', '--detach', '--name', 'goes-on', image, 'sleep', '100000']);
  const pid = async () =>
    (await agent.docker(['inspect', '--format', '{{.State.Pid}}', 'goes-on'])).stdout.trim();
  const before = await pid();
  await assert.rejects(callEngineAt(agent.socket, 'GET', `/v1.44/containers${BLOCKED}`));
  await checkEnd(agent.process(), 'GET /v1.44/containers/block-the-event-loop/json');
  await access(`/proc/${before}`);
  await agent.restart();
  assert.equal(await pid(), before);
  assert.equal(await ends(), '1');
});
