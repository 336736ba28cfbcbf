import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { dockerAt } from '../support/docker-cli.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

/** Seconds; no other program of this machine waits for as long. */
const WAIT = 654_321 + (process.pid % 100_000);

/** Passes connections on to an agent; those whose request is for a path can be cut. */
async function startCutter(t: TestContext, agentSocket: string) {
  const path = join(await makeTempDir(t, 'cutter'), 'cutter.sock');
  const open = new Map<Socket, string>();
  let cutsAtOnce: string | undefined;
  const server = createServer((client) => {
    const agent = connect(agentSocket);
    client.once('data', (head: Buffer) => {
      const wanted = /^\S+ (\S+)/.exec(head.toString('latin1'))?.[1] ?? '';
      open.set(client, wanted);
      if (cutsAtOnce !== undefined && wanted.endsWith(cutsAtOnce)) {
        // The client has its 101 then.
        agent.once('data', () => setTimeout(() => client.destroy(), 50));
      }
      agent.write(head);
      client.pipe(agent);
    });
    agent.pipe(client);
    for (const [end, other] of [
      [client, agent],
      [agent, client],
    ] as const) {
      end.on('error', () => undefined).on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => {
    for (const client of open.keys()) client.destroy();
    server.close();
  });
  return {
    host: `unix://${path}`,
    cut: (wanted: string) => {
      for (const [client, asked] of open) if (asked.endsWith(wanted)) client.destroy();
    },
    cutAtOnce: (wanted: string) => {
      cutsAtOnce = wanted;
    },
  };
}

const sleeps = async () =>
  (await runCommand('pgrep', ['-f', `^sleep ${WAIT}$`], { expectExit: 'any' })).exitCode === 0;

describe('buildx whose connections are lost', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });

  for (const path of ['/session', '/grpc']) {
    test(`${path}, while a step runs: the step ends, and the client`, async (t) => {
      const cutter = await startCutter(t, agent.socket);
      const { docker } = await dockerAt(t, cutter.host);
      const folder = await makeBuildContext(t, `FROM ${image}\nRUN sleep ${WAIT}\n`);
      const building = docker(['build', '--progress=plain', folder], { expectExit: 1 });
      await waitUntil('the step runs', sleeps);
      cutter.cut(path);
      const { stderr } = await building;
      assert.match(stderr, /ERROR: /);
      await waitUntil('the step is gone', async () => !(await sleeps()));
    });

    test(`${path}, as soon as it is open: the client ends`, async (t) => {
      const cutter = await startCutter(t, agent.socket);
      cutter.cutAtOnce(path);
      const { docker } = await dockerAt(t, cutter.host);
      const folder = await makeBuildContext(t, `FROM ${image}\nRUN sleep ${WAIT}\n`);
      const { stderr } = await docker(['build', folder], { expectExit: 1 });
      assert.match(stderr, /ERROR: /);
      await waitUntil('no step runs', async () => !(await sleeps()));
    });
  }

  test('a Solve that fails at once ends the client', async (t) => {
    const folder = await makeBuildContext(t, `FROM ${image}\n`);
    const args = ['build', '--output', 'type=image,annotation.a=b', folder];
    const { stderr } = await agent.docker(args, { expectExit: 1 });
    assert.match(stderr, /annotation\.a=b of the output is not supported/);
  });

  test('who asks about a build that there is not is told so', async (t) => {
    const connection = connect(agent.socket);
    t.after(() => connection.destroy());
    connection.write('POST /grpc HTTP/1.1\r\nHost: agent\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
    const [head] = (await once(connection, 'data')) as [Buffer];
    assert.match(head.toString('latin1'), /^HTTP\/1\.1 101 /);
    // What the agent says by HTTP/2 may come with it.
    connection.pause();
    connection.unshift(head.subarray(head.indexOf('\r\n\r\n') + 4));
    const session = connectHttp2('http://agent', { createConnection: () => connection });
    t.after(() => session.destroy());
    session.on('error', () => undefined);
    for (const method of ['moby.buildkit.v1.Control/Status', 'moby.buildkit.v1.frontend.LLBBridge/Return']) {
      const call = session.request({
        ':method': 'POST',
        ':path': `/${method}`,
        'content-type': 'application/grpc',
        te: 'trailers',
        'buildkit-controlapi-buildid': 'nobody',
      });
      // The message {1: "nobody"}, in gRPC's frame; the bridge does not look at it.
      const message = method.endsWith('Status') ? Buffer.from('\x0a\x06nobody', 'latin1') : Buffer.alloc(0);
      const frame = Buffer.alloc(5);
      frame.writeUInt32BE(message.length, 1);
      call.end(Buffer.concat([frame, message]));
      // Both may be there before anybody goes on.
      const trailing = once(call, 'trailers') as Promise<[Record<string, string>]>;
      const answered = once(call, 'response') as Promise<[Record<string, string>]>;
      call.resume();
      const [first] = await Promise.race([trailing, answered]);
      const [trailers] = 'grpc-status' in first ? [first] : await trailing;
      assert.match(decodeURIComponent(trailers['grpc-message'] ?? ''), /there is no build nobody/);
    }
  });
});
