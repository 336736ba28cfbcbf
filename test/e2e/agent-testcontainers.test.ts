import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { LONGEST_WAIT } from '../support/longest-wait.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

/** Milliseconds that a container has to start, where a minute may be too short. */
const PATIENCE = LONGEST_WAIT;

describe('testcontainers', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  process.env.DOCKER_HOST = `unix://${agent.socket}`;
  process.env.TESTCONTAINERS_HOST_OVERRIDE = '127.0.0.1';
  // Its reaper is an image of Docker Hub.
  process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
  const { GenericContainer, Network, Wait } = await import('testcontainers');
  const server = ['sh', '-c', 'echo hello > /index.html; echo ready; exec httpd -f -p 8080 -h /'];

  test('starts a server, waits for its port and its log, and reaches it', async () => {
    await using container = await new GenericContainer(image)
      .withCommand(server)
      .withExposedPorts(8080)
      .withEnvironment({ A: 'b' })
      .withLabels({ kind: 'server' })
      .withWaitStrategy(Wait.forAll([Wait.forListeningPorts(), Wait.forLogMessage('ready')]))
      .withStartupTimeout(PATIENCE)
      .start();
    const url = `http://${container.getHost()}:${container.getMappedPort(8080)}/index.html`;
    assert.equal(await (await fetch(url)).text(), 'hello\n');
    const { exitCode, stdout, stderr } = await container.exec(['sh', '-c', 'echo $A; echo e >&2; exit 3']);
    assert.deepEqual([exitCode, stdout, stderr], [3, 'b\n', 'e\n']);
    assert.equal(container.getLabels().kind, 'server');
  });

  test('waits for a health check, and fails where it stays unhealthy', async () => {
    const healthy = new GenericContainer(image)
      .withCommand(['sh', '-c', 'sleep 0.5; touch /ok; sleep 100000'])
      .withHealthCheck({ test: ['CMD-SHELL', 'test -f /ok'], interval: 200, retries: 10_000, startPeriod: 0 })
      .withWaitStrategy(Wait.forHealthCheck())
      .withStartupTimeout(PATIENCE);
    await (await healthy.start()).stop();
    const unhealthy = new GenericContainer(image)
      .withCommand(['sleep', '100000'])
      .withHealthCheck({ test: ['CMD-SHELL', 'false'], interval: 200, retries: 2, startPeriod: 0 })
      .withWaitStrategy(Wait.forHealthCheck())
      .withStartupTimeout(PATIENCE);
    await assert.rejects(unhealthy.start(), /[Hh]ealth/);
  });

  test('copies files in and out, before and after the start', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'berth-testcontainers-'));
    t.after(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'file'), 'from the host\n');
    await using container = await new GenericContainer(image)
      .withCommand(['sleep', '100000'])
      .withCopyFilesToContainer([{ source: join(folder, 'file'), target: '/in/file' }])
      .withCopyContentToContainer([{ content: 'content\n', target: '/in/content' }])
      .start();
    assert.equal(
      (await container.exec(['cat', '/in/file', '/in/content'])).stdout,
      'from the host\ncontent\n',
    );
    await container.copyDirectoriesToContainer([{ source: folder, target: '/later' }]);
    assert.equal((await container.exec(['cat', '/later/file'])).stdout, 'from the host\n');
    const archive = await container.copyArchiveFromContainer('/in');
    let size = 0;
    for await (const chunk of archive) size += chunk.length;
    assert.ok(size > 1024);
  });

  test('connects containers by a network and its aliases; restarts one', async () => {
    await using network = await new Network().start();
    await using first = await new GenericContainer(image)
      .withCommand(server)
      .withNetwork(network)
      .withNetworkAliases('web')
      .start();
    await using second = await new GenericContainer(image)
      .withCommand(['sleep', '100000'])
      .withNetwork(network)
      .start();
    const fetched = ['wget', '-q', '-O', '-', 'http://web:8080/index.html'];
    // Nothing says when the server listens.
    const isServed = () =>
      untilPasses(async () => assert.equal((await second.exec(fetched)).stdout, 'hello\n'));
    await isServed();
    await first.restart();
    await isServed();
  });

  test('commits a container to an image', async () => {
    await using container = await new GenericContainer(image).withCommand(['sleep', '100000']).start();
    await container.exec(['sh', '-c', 'echo kept > /kept']);
    await container.commit({ repo: 'tc/committed', tag: '1', deleteOnExit: false });
    await using again = await new GenericContainer('tc/committed:1').withCommand(['sleep', '100000']).start();
    assert.equal((await again.exec(['cat', '/kept'])).stdout, 'kept\n');
  });

  test('a container that fails to start says so, and nothing is left of all of them', async () => {
    const failing = new GenericContainer(image)
      .withCommand(['sh', '-c', 'echo broken; exit 1'])
      .withWaitStrategy(Wait.forOneShotStartup())
      .withStartupTimeout(PATIENCE);
    await assert.rejects(failing.start(), /exit code|failed|1/);
    const { stdout } = await agent.docker(['ps', '--all', '--quiet']);
    const left = stdout.split('\n').filter(Boolean);
    if (left.length > 0) await agent.docker(['rm', '--force', ...left]);
    assert.ok(left.length <= 2, 'only those whose start failed may be left');
  });
});
