// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles have variables of their own.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, type TestContext, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const BOTH = ['--platform', 'linux/amd64,linux/arm64', '--allow', 'network.host'];

describe('platforms of one build', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });

  /** A server that answers nobody until `count` have asked for different paths; its URL, and what was asked for. */
  async function meetingPlace(t: TestContext, count: number) {
    const waiting = new Map<string, ServerResponse>();
    const server = createServer(({ url = '' }, response) => {
      waiting.set(url, response);
      if (waiting.size === count) for (const each of waiting.values()) each.end('all are here\n');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, waiting };
  }

  const stage = (run: string) =>
    `FROM --platform=$BUILDPLATFORM ${image} AS make\nARG TARGETARCH\nCOPY words /words\nRUN --network=host ${run}\nFROM scratch\nCOPY --from=make /words /made\n`;

  test('steps of all run side by side, and the context comes once', async (t) => {
    const { url, waiting } = await meetingPlace(t, 2);
    const dockerfile = stage(`wget -q -T 600 -O /made ${url}/$TARGETARCH`);
    const context = await makeBuildContext(t, dockerfile, { words: 'words\n' });
    const { stderr } = await agent.docker(['buildx', 'build', '--progress=plain', ...BOTH, context]);
    assert.deepEqual([...waiting.keys()].sort(), ['/amd64', '/arm64']);
    assert.equal(stepsNamed(stderr, 'load build context'), 1);
    assert.equal(stepsNamed(stderr, 'load build definition from Dockerfile'), 1);
  });

  test('one that fails ends the others', async (t) => {
    const { url } = await meetingPlace(t, 2);
    const waits = `wget -q -T 600 -O /made ${url}/$TARGETARCH`;
    const dockerfile = stage(`if [ $TARGETARCH = arm64 ]; then echo no such luck; exit 3; fi; ${waits}`);
    const context = await makeBuildContext(t, dockerfile, { words: 'words\n' });
    const { stderr } = await agent.docker(['buildx', 'build', '--progress=plain', ...BOTH, context], {
      expectExit: 1,
    });
    assert.match(stderr, /ERROR: failed to solve: .*3/);
    assert.equal((await agent.docker(['ps', '--all', '--quiet'])).stdout, '');
    // The context is free for the next build.
    const again = await makeBuildContext(t, stage('true'), { words: 'words\n' });
    await agent.docker(['buildx', 'build', ...BOTH, again]);
  });
});

/** How many steps of the client's session have a name; the client may print the name of one of them more than once. */
function stepsNamed(printed: string, name: string): number {
  const headers = printed.matchAll(new RegExp(`^#(\\d+) \\[internal\\] ${name}$`, 'gm'));
  return new Set([...headers].map(([, number]) => number)).size;
}
