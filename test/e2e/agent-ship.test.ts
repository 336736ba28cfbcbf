import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { sendRequest } from '../support/http-client.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { makeSecondHost } from '../support/second-host.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

test('what one host builds and pushes, another in a network of its own pulls and runs', {
  skip: unlessRoot(),
  timeout: 3_600_000,
}, async (t) => {
  const { agent, image, registry } = await startAgentWithImage(t);
  const folder = await makeBuildContext(
    t,
    `FROM ${image}\nCOPY page /srv/index.html\nRUN echo made >> /srv/index.html\nCMD ["cat", "/srv/index.html"]\n`,
    { page: 'page\n' },
  );
  const pushed = `${registry.host}/team/app:1`;
  await agent.docker(['build', '--tag', pushed, folder]);
  await agent.docker(['push', pushed]);
  const id = (await agent.docker(['inspect', '--format', '{{.Id}}', pushed])).stdout;

  const host = await makeSecondHost(t);
  const address = await host.reach(Number(registry.host.split(':')[1]));
  const other = await startAgent(t, { args: ['--insecure-registry', address], enter: host.enter });
  const there = `${address}/team/app:1`;
  await other.docker(['pull', there]);
  assert.equal((await other.docker(['inspect', '--format', '{{.Id}}', there])).stdout, id);
  assert.equal((await other.docker(['run', '--rm', there])).stdout, 'page\nmade\n');

  const serve = ['httpd', '-f', '-p', '80', '-h', '/srv'];
  await other.docker(['run', '--detach', '--name', 'web', '--publish', '8080:80', there, ...serve]);
  let page = '';
  await waitUntil('the page is served', async () => {
    page = await sendRequest('http://10.98.0.2:8080/').then(
      ({ body }) => body.toString(),
      () => '',
    );
    return page !== '';
  });
  assert.equal(page, 'page\nmade\n');
});
