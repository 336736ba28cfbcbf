import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { longerWait } from '../support/longest-wait.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const SCRIPT = join(import.meta.dirname, '../support/docker-py/everyday.py');

test("docker-py's everyday calls", { skip: unlessRoot(), timeout: 1_800_000 }, async (t) => {
  const { agent, image } = await startAgentWithImage(t);
  const { stdout } = await runCommand('/usr/bin/python3', [SCRIPT, image], {
    env: { DOCKER_HOST: `unix://${agent.socket}` },
    timeoutMs: longerWait(800_000, 'the script is a test of many calls'),
  });
  assert.equal(stdout, 'all is well\n');
  assert.equal((await agent.docker(['ps', '--all', '--quiet'])).stdout, '');
});
