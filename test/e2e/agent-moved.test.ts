import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { removeRunDirectory } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { defer } from '../support/cleanup.ts';
import { dockerAt } from '../support/docker-cli.ts';
import { startProcess } from '../support/managed-process.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { AGENT_PROGRAM } from '../support/programs.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

test('a data folder that was moved is used where it is now', {
  skip: unlessRoot(),
  timeout: 3_600_000,
}, async (t) => {
  const { agent, image } = await startAgentWithImage(t);
  await agent.docker(['network', 'create', 'net']);
  await agent.docker([
    ...['run', '--name', 'box', '--network', 'net', '--volume', 'kept:/kept', image],
    ...['sh', '-c', 'cat /kept/file /own 2>/dev/null; echo volume > /kept/file; echo own > /own'],
  ]);
  await agent.stop();
  const folder = await makeTempDir(t, 'moved');
  const dataDir = join(folder, 'data');
  await rename(agent.dataDir, dataDir);
  defer(t, () => removeRunDirectory(dataDir));
  const socket = join(folder, 'agent.sock');
  const moved = startProcess(t, process.execPath, [
    AGENT_PROGRAM,
    'serve',
    '--socket',
    socket,
    '--data',
    dataDir,
  ]);
  await moved.waitForLine(/^berth-agent is ready: /m);
  const { docker } = await dockerAt(t, `unix://${socket}`);
  assert.equal((await docker(['start', '--attach', 'box'])).stdout, 'volume\nown\n');
  assert.equal((await docker(['run', '--rm', image, 'echo', 'new'])).stdout, 'new\n');
  const { stdout } = await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', 'kept']);
  assert.ok(stdout.startsWith(dataDir), stdout);
  await docker(['rm', '--volumes', 'box']);
  await docker(['volume', 'rm', 'kept']);
  await docker(['network', 'rm', 'net']);
  await docker(['rmi', image]);
});
