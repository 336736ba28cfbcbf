import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFile, readFile, rename, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { makeCertificate } from '../support/certificate-authority.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { AGENT_PROGRAM } from '../support/programs.ts';
import { runCommand } from '../support/run-command.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

describe('the API by TCP', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const own = await makeCertificate({ after });
  const stranger = await makeCertificate({ after });
  const { agent, image } = await startAgentWithImage(
    { after },
    {
      agentArgs: [
        ...['--listen', '127.0.0.1:0', '--tls-ca', own.authority],
        ...['--tls-cert', own.certificate, '--tls-key', own.key],
      ],
    },
  );
  const address = () => {
    const ready = /tcp:\/\/(127\.0\.0\.1):(\d+)/.exec(agent.process().output());
    assert.ok(ready !== null);
    return { host: ready[1] ?? '', port: Number(ready[2]) };
  };
  const docker = (certificate: typeof own, args: readonly string[], expectExit = 0) => {
    const { host, port } = address();
    const tls = [
      ...['--tlsverify', '--tlscacert', own.authority],
      ...['--tlscert', certificate.certificate, '--tlskey', certificate.key],
    ];
    return runCommand('docker', [...tls, '-H', `tcp://${host}:${port}`, ...args], { expectExit });
  };

  test('is the whole API for who shows a certificate of the authority', async () => {
    // Without --interactive the CLI closes its side at once, and reads on.
    const { stdout } = await docker(own, ['run', '--rm', image, 'sh', '-c', 'sleep 0.5; echo late']);
    assert.equal(stdout, 'late\n');
    const { host, port } = address();
    const echo = await runCommand(
      'docker',
      [
        ...['--tlsverify', '--tlscacert', own.authority, '--tlscert', own.certificate, '--tlskey', own.key],
        ...['-H', `tcp://${host}:${port}`, 'run', '--rm', '-i', image, 'wc', '-c'],
      ],
      { input: 'x'.repeat(100_000) },
    );
    assert.equal(echo.stdout.trim(), '100000');
  });

  test('is attached to without an upgrade, with input that comes with the request', async () => {
    await docker(own, ['create', '-i', '--name', 'plain', image, 'cat']);
    const client = connectTls({
      ...{ ...address(), allowHalfOpen: true, checkServerIdentity: () => undefined },
      ca: await readFile(own.authority),
      cert: await readFile(own.certificate),
      key: await readFile(own.key),
    });
    const path = '/containers/plain/attach?stream=1&stdin=1&stdout=1';
    client.write(`POST ${path} HTTP/1.1\r\nHost: a\r\n\r\nwith the head`);
    await once(client, 'readable');
    await docker(own, ['start', 'plain']);
    client.end(' and later');
    const text = (await client.setEncoding('latin1').toArray()).join('');
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n.*with the head.*and later$/s);
    await docker(own, ['rm', '-f', 'plain']);
  });

  test('builds with buildx, which is spoken by HTTP/2 on the same connections', async () => {
    const files = { big: 'x'.repeat(2_000_000) };
    const context = await makeBuildContext(
      { after },
      `FROM ${image}\nCOPY big /\nRUN wc -c < /big > /count\n`,
      files,
    );
    await docker(own, ['build', '--quiet', '--tag', 'by-tcp', context]);
    assert.equal((await docker(own, ['run', '--rm', 'by-tcp', 'cat', '/count'])).stdout, '2000000\n');
  });

  test('is nothing for one of another authority, for one without, and for plain HTTP', async () => {
    const { stdout, stderr } = await docker(stranger, ['ps'], 1);
    // Node may close before its alert has been read.
    assert.match(stderr, /^error during connect: /);
    assert.equal(stdout, '');
    const { host, port } = address();
    const closed = await new Promise<string>((resolve) => {
      let answer = '';
      const socket = connectTls({ host, port, rejectUnauthorized: false }, () =>
        socket.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n'),
      );
      socket.on('data', (data) => {
        answer += data;
      });
      socket.on('error', () => resolve(answer));
      socket.on('close', () => resolve(answer));
    });
    assert.equal(closed, '');
    const plain = await new Promise<string>((resolve) => {
      let answer = '';
      const socket = connect({ host, port }, () => socket.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n'));
      socket.on('data', (data) => {
        answer += data;
      });
      socket.on('error', () => resolve(answer));
      socket.on('close', () => resolve(answer));
    });
    assert.doesNotMatch(plain, /OK/);
  });

  test('reads its certificates again on SIGHUP, and keeps the last good ones', async () => {
    const serial = () =>
      new Promise<string>((resolve, reject) => {
        const { host, port } = address();
        const socket = connectTls({ host, port, rejectUnauthorized: false }, () => {
          resolve(socket.getPeerCertificate().serialNumber);
          socket.destroy();
        });
        socket.on('error', reject);
      });
    const first = await serial();
    await copyFile(own.key, `${own.key}.good`);
    await writeFile(own.key, 'no key\n');
    process.kill(agent.process().pid, 'SIGHUP');
    await waitUntil('the complaint', async () =>
      agent.process().output().includes('the last good certificates stay in use'),
    );
    assert.equal(await serial(), first);
    await rename(`${own.key}.good`, own.key);
    const folder = join(own.certificate, '..');
    await runCommand(
      'openssl',
      [
        ...[
          'x509',
          '-req',
          '-in',
          'server.csr',
          '-CA',
          own.authority,
          '-CAkey',
          'ca.key',
          '-set_serial',
          '77',
        ],
        ...['-days', '2', '-extfile', 'names', '-out', 'server.crt'],
      ],
      { cwd: folder },
    );
    process.kill(agent.process().pid, 'SIGHUP');
    await waitUntil('the new certificate', async () => (await serial()) !== first);
    await docker(own, ['ps']);
  });

  test('is refused without the certificates of both sides', async () => {
    const { stderr } = await runCommand(
      process.execPath,
      [AGENT_PROGRAM, 'serve', '--listen', '0.0.0.0:2375'],
      {
        expectExit: 2,
      },
    );
    assert.match(
      stderr,
      /--listen needs certificates of both sides: give --tls-ca, --tls-cert and --tls-key\.\n$/,
    );
  });
});
