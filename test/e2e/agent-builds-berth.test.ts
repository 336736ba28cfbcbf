import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { makeDebianSlim } from '../support/debian-slim.ts';
import { sendRequest } from '../support/http-client.ts';
import { longerWait } from '../support/longest-wait.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

const ROOT = join(import.meta.dirname, '../..');
const LARGEST = 150_000_000;
const PASSWORD = 'the administrator of a test';

// In the machine's own network: the steps of the build fetch packages.
test('Berth builds Berth, runs it, and keeps it in itself', {
  skip: unlessRoot(),
  timeout: 3_600_000,
}, async (t) => {
  const agent = await startAgent(t);
  const run = async (...args: readonly string[]) =>
    (
      await agent.docker(args, {
        timeoutMs: longerWait(1_800_000, 'the builds install Debian packages and run npm ci'),
      })
    ).stdout;
  const slim = join(await makeTempDir(t, 'slim'), 'root');
  await makeDebianSlim(slim);
  await runCommand('sh', [
    '-c',
    'tar -C "$1" -c . | docker -H "$2" import -c "ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt" - debian:trixie-slim',
    'sh',
    slim,
    agent.host,
  ]);
  for (const [file, tag] of [
    ['deploy/Dockerfile', 'berth:1'],
    ['deploy/agent.Dockerfile', 'berth-agent:1'],
  ] as const) {
    await run('build', '--network', 'host', '--file', join(ROOT, file), '--tag', tag, ROOT);
  }
  assert.match(
    await run('run', '--rm', '--network', 'none', 'berth-agent:1', '--version'),
    /^berth-agent \d/,
  );
  assert.match(await run('run', '--rm', '--network', 'none', 'berth:1', '--version'), /^\d+\.\d+\.\d+\n$/);

  await run(
    ...[
      'run',
      '--detach',
      '--name',
      'registry',
      '--read-only',
      '--cap-drop',
      'ALL',
      '--volume',
      'data:/var/lib/berth',
    ],
    ...['--env', `BERTH_ADMIN_PASSWORD=${PASSWORD}`, '--publish', '127.0.0.1::5000', 'berth:1'],
  );
  assert.equal(await run('exec', 'registry', 'id', '-u'), '65532\n');
  const host = (await run('port', 'registry', '5000/tcp')).trim();
  await waitUntil(
    'the registry is ready',
    async () =>
      await sendRequest(`http://${host}/readyz`).then(
        ({ status }) => status === 200,
        () => false,
      ),
  );
  await run('login', '--username', 'admin', '--password', PASSWORD, host);
  const name = `${host}/berth/berth:1`;
  await run('tag', 'berth:1', name);
  await run('push', '--quiet', name);
  const user = { name: 'admin', password: PASSWORD };
  const manifest = await sendRequest(`http://${host}/v2/berth/berth/manifests/1`, {
    user,
    headers: {
      accept:
        'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json',
    },
  });
  const { layers } = JSON.parse(manifest.body.toString()) as { layers: { size: number }[] };
  const size = layers.reduce((sum, layer) => sum + layer.size, 0);
  t.diagnostic(`the image of the registry is ${(size / 1e6).toFixed(1)} MB compressed`);
  assert.ok(size < LARGEST, `${size} bytes`);

  const id = await run('images', '--quiet', '--no-trunc', name);
  await run('rmi', name);
  await run('pull', '--quiet', name);
  assert.equal(await run('images', '--quiet', '--no-trunc', name), id);
  await run('stop', '--time', '120', 'registry');
  assert.equal(await run('inspect', '--format', '{{.State.ExitCode}}', 'registry'), '0\n');
});
