import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readTraceConfig, startTracing } from '../../lib/tracing/start-tracing.ts';
import { installTracer } from '../../lib/tracing/trace.ts';
import { removeMembership } from '../../runtime-agent/fleet/membership.ts';
import { startAgent } from '../support/agent-process.ts';
import { defer } from '../support/cleanup.ts';
import { AGENT_CACHE } from '../support/compile-cache.ts';
import { eventually } from '../support/eventually.ts';
import { startFleetRegistry } from '../support/fleet-registry.ts';
import { imageFolder } from '../support/image-cache.ts';
import { type ReceivedSpan, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';
import { runCommand } from '../support/run-command.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const AGENT = join(import.meta.dirname, '../../runtime-agent/main.ts');
const [INTERNAL, SERVER, CLIENT] = [1, 2, 3];

test('a pull, a push, a run, a build and a rollout are one trace each, across registry and agent', {
  skip: unlessRoot(),
}, async (t) => {
  const collector = await startOtlpReceiver(t);
  const config = readTraceConfig({ otlpEndpoint: collector.url, otlpHeaders: 'x-key=a%20key' });
  assert.ok(config);
  const tracer = await startTracing(config, 'berth', () => {});
  defer(t, async () => {
    installTracer(undefined);
    await tracer.close();
  });
  const registry = await startFleetRegistry(t);
  const host = new URL(registry.url).host;
  const user = { name: 'admin', password: ADMIN_PASSWORD };
  await pushLayout(await makeBusyboxImage(await imageFolder(t)), `${host}/team/app:1`, user);
  const agent = await startAgent(t, { args: ['--otlp-endpoint', collector.url] });
  defer(t, async () => {
    await removeMembership(agent.dataDir);
    await agent.restart();
  });
  const auth = Buffer.from(`admin:${ADMIN_PASSWORD}`).toString('base64');
  await writeFile(join(agent.config, 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }));

  const rootOf = (name: string | RegExp, after = 0) =>
    eventually(`there is a span ${name}`, () =>
      collector.spans
        .slice(after)
        .find((span) => (typeof name === 'string' ? span.name === name : name.test(span.name))),
    );
  /** Waits until the trace of a span has these spans below it, and checks their parents. */
  const expectTrace = async (root: ReceivedSpan, names: readonly RegExp[]) => {
    const ofTrace = () => collector.spans.filter(({ traceId }) => traceId === root.traceId);
    await eventually(
      `${names} are in the trace of ${root.name}`,
      () =>
        names.every((name) => ofTrace().some((span) => name.test(`${span.service} ${span.name}`))) ||
        undefined,
    );
    // A span around others ends after them. buildx sends a span of its own, which no collector gets here.
    const byId = await eventually(`the trace of ${root.name} has one root`, () => {
      const known = new Map(ofTrace().map((span) => [span.spanId, span]));
      return ofTrace().filter((one) => !known.has(one.parentSpanId ?? '')).length === 1 ? known : undefined;
    });
    for (const span of ofTrace().filter((one) => one.service === 'berth' && one.kind === SERVER)) {
      const parent = byId.get(span.parentSpanId ?? '');
      assert.equal(parent?.service, 'berth-agent', `${span.name} is below ${parent?.name}`);
      assert.equal(parent?.kind, CLIENT);
      assert.equal(parent?.attributes['url.path'], span.attributes['url.path']);
    }
  };
  const pulled = [/^berth GET .*manifests/, /^berth GET .*blobs/, /^berth-agent GET$/];

  await agent.docker(['run', '--rm', `${host}/team/app:1`, 'true']);
  const started = await rootOf(/^POST .*start$/);
  const created = collector.spans.find(
    ({ name, traceId }) => /create$/.test(name) && traceId === started.traceId,
  );
  assert.equal(created?.kind, SERVER);
  await expectTrace(started, [...pulled, /^berth-agent POST \/images\/create$/]);

  await agent.docker(['rmi', `${host}/team/app:1`]);
  const before = collector.spans.length;
  await agent.docker(['pull', `${host}/team/app:1`]);
  await expectTrace(await rootOf('POST /images/create', before), pulled);

  await agent.docker(['tag', `${host}/team/app:1`, `${host}/team/other:1`]);
  await agent.docker(['push', `${host}/team/other:1`]);
  const push = await rootOf('POST /images/(.+)/push');
  await expectTrace(push, [/^berth PUT .*manifests/, /^berth-agent PUT$/]);

  const context = join(agent.config, 'context');
  await mkdir(context);
  await writeFile(join(context, 'Dockerfile'), `FROM ${host}/team/app:1\nRUN true\n`);
  await agent.docker(['rmi', '--force', `${host}/team/app:1`, `${host}/team/other:1`]);
  await agent.docker(['build', '--quiet', context]);
  const build = await rootOf('build');
  assert.equal(build.kind, INTERNAL);
  await expectTrace(build, [/^berth GET .*manifests/, /^berth-agent GET$/]);

  const token = await registry.joinToken({ role: 'web' });
  const joined = ['join', registry.url, token, '--data', agent.dataDir, '--name', 'web1'];
  await runCommand(process.execPath, [AGENT, ...joined], { env: AGENT_CACHE });
  await eventually('the host is online', async () => {
    const answer = await registry.manage('GET', '/hosts/web1');
    return ((await answer.json()) as { state: string }).state === 'online' || undefined;
  });
  await agent.docker(['system', 'prune', '--all', '--force']);
  const web = {
    image: `${host}/team/app:1`,
    command: ['sh', '-c', 'sleep 1000'],
    deploy: { update_config: { monitor: '300ms' } },
  };
  const body = { compose: { services: { web } }, on: { role: 'web' } };
  const answer = await registry.manage('POST', '/apps/team%2Fshop/releases', body);
  assert.equal(answer.status, 201, await answer.text());
  const rollout = await rootOf('rollout');
  assert.equal(rollout.service, 'berth');
  assert.equal(rollout.attributes['berth.state'], 'done');
  await expectTrace(rollout, [...pulled.slice(0, 1), /^berth-agent step start$/]);
  for (const step of collector.spans.filter(({ name }) => name.startsWith('step '))) {
    assert.equal(step.parentSpanId, rollout.spanId);
  }

  const sent = collector.requests.map((request) => request.body).join('');
  for (const secret of [ADMIN_PASSWORD, auth, token, 'Bearer']) assert.equal(sent.includes(secret), false);
  assert.ok(collector.requests.some(({ headers }) => headers['x-key'] === 'a key'));
});
