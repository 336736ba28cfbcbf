import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { createServer } from 'node:http2';
import type { Duplex } from 'node:stream';
import { after, beforeEach, describe, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import type { ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type { BuildProgress } from '../../../../runtime-agent/builder/builder.ts';
import { Auth } from '../../../../runtime-agent/builder/buildkit/proto/auth_pb.ts';
import {
  type StatusResponse,
  StatusResponseSchema,
} from '../../../../runtime-agent/builder/buildkit/proto/control_pb.ts';
import { EngineError } from '../../../../runtime-agent/errors.ts';
import { defer } from '../../../support/cleanup.ts';
import { writeTar } from '../../../support/tar-writer.ts';
import { callEngine } from './fakes/call-engine.ts';
import { FakeBuilder } from './fakes/fake-builder.ts';
import { makeImage } from './fakes/fake-images.ts';
import { startFakeEngine } from './fakes/start-fake-engine.ts';

const scope = { after };
const image = makeImage('base:1');
const builder = new FakeBuilder(image.id);
const engine = await startFakeEngine(scope, { builder });
engine.images.images.push(image);

const CONTEXT = writeTar([
  { name: 'docker/File', type: 'file', content: 'FROM base:1\n' },
  { name: 'word', type: 'file', content: 'hello' },
]);

interface Line {
  readonly id?: string;
  readonly aux?: unknown;
  readonly stream?: string;
  readonly error?: string;
}

async function build(query: string, body: Uint8Array = CONTEXT, headers = {}) {
  const answer = await callEngine(engine.socket, 'POST', `/v1.45/build?version=2&${query}`, {
    body,
    headers: { 'content-type': 'application/x-tar', ...headers },
  });
  const lines = answer.text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as Line);
  return { ...answer, lines };
}

function tracesOf(lines: readonly Line[]): readonly StatusResponse[] {
  return lines.flatMap(({ id, aux }) =>
    id === 'moby.buildkit.trace'
      ? [fromBinary(StatusResponseSchema, Buffer.from(String(aux), 'base64'))]
      : [],
  );
}

/** Opens a session as a client that offers these services and, as dockerode does, names none of their methods. */
async function openSession(id: string, routes: (router: ConnectRouter) => void): Promise<Duplex> {
  const upgrade = request({
    socketPath: engine.socket,
    method: 'POST',
    path: '/session',
    headers: { Connection: 'Upgrade', Upgrade: 'h2c', 'X-Docker-Expose-Session-Uuid': id },
  }).end();
  const [, socket, head] = (await once(upgrade, 'upgrade')) as [unknown, Duplex, Buffer];
  if (head.length > 0) socket.unshift(head);
  const server = createServer(connectNodeAdapter({ routes, connect: false, grpcWeb: false }));
  server.emit('connection', socket);
  defer(scope, () => {
    socket.destroy();
  });
  return socket;
}

describe('POST /build?version=2', () => {
  beforeEach(() => {
    builder.script = async () => {};
  });

  test('builds the tar in its body, and tells of it as BuildKit does', async () => {
    builder.script = async ({ source, dockerfile }, progress, signal) => {
      assert.equal(await source.readDockerfile(dockerfile, signal), 'FROM base:1\n');
      const step: BuildProgress = { kind: 'planned', id: '1', name: '[1/1] RUN say', inputs: [] };
      progress(step);
      progress({ kind: 'started', id: '1', at: new Date() });
      progress({ kind: 'log', id: '1', stream: 'stdout', data: Buffer.from('said\n') });
      progress({ kind: 'completed', id: '1', at: new Date() });
    };
    const { status, headers, lines } = await build('dockerfile=docker/File&t=app&t=host:5000/app:2');
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'application/json');
    assert.deepEqual(lines.at(-1), { id: 'moby.image.id', aux: { ID: image.id } });
    const traces = tracesOf(lines);
    assert.equal(traces.length, lines.length - 1);
    const names = new Set(traces.flatMap(({ vertexes }) => vertexes.map(({ name }) => name)));
    assert.ok(names.has('[internal] load remote build context'));
    assert.ok(names.has('[1/1] RUN say'));
    assert.equal(
      Buffer.concat(traces.flatMap(({ logs }) => logs.map(({ msg }) => msg))).toString(),
      'said\n',
    );
    const { repoTags } = await engine.images.get(image.id);
    assert.deepEqual(repoTags, ['base:1', 'docker.io/library/app:latest', 'host:5000/app:2']);
    assert.equal(builder.held, 0);
  });

  test('passes the options on as dockerd does', async () => {
    const query = new URLSearchParams({
      dockerfile: 'docker/File',
      target: 'last',
      buildargs: '{"A":"1","B":null,"BUILDKIT_INLINE_CACHE":"1"}',
      labels: '{"kind":"test"}',
      networkmode: 'host',
      nocache: '1',
      pull: '1',
      shmsize: '65536',
      extrahosts: 'db:10.0.0.1',
      ulimits: '[{"Name":"nofile","Soft":10,"Hard":20}]',
      cachefrom: '["app:cache"]',
      platform: 'linux/amd64',
    });
    await build(query.toString());
    const { source: _, ...asked } = builder.request;
    assert.equal(asked.target, 'last');
    assert.deepEqual([...asked.buildArguments], [['A', '1']]);
    assert.deepEqual([...asked.labels], [['kind', 'test']]);
    assert.equal(asked.network, 'host');
    assert.deepEqual(asked.entitlements, ['network.host']);
    assert.equal(asked.noCache, true);
    assert.equal(asked.pull, true);
    assert.equal(asked.shmSize, 65536);
    assert.deepEqual(asked.extraHosts, ['db:10.0.0.1']);
    assert.deepEqual(asked.limits, { Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }] });
    assert.deepEqual(asked.cacheFrom, [{ kind: 'registry', reference: 'app:cache' }]);
    assert.deepEqual(asked.platform, { os: 'linux', architecture: 'amd64' });
    assert.equal(asked.inlineCache, true);
  });

  test('asks the session for credentials, though its client has not named the method', async () => {
    const given: unknown[] = [];
    builder.script = async ({ source }, _, signal) => {
      await source.readDockerfile('docker/File', signal);
      given.push(await source.credentials('registry:5000', signal), await source.secret('key', signal));
    };
    await openSession('with-auth', (router) => {
      router.service(Auth, { credentials: ({ Host }) => ({ Username: 'ann', Secret: `of ${Host}` }) });
    });
    const { lines } = await build('session=with-auth');
    assert.deepEqual(lines.at(-1)?.aux, { ID: image.id });
    await openSession('without', () => undefined);
    await build('session=without');
    assert.deepEqual(given, [
      { username: 'ann', password: 'of registry:5000' },
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('ends with its session', async () => {
    const session = await openSession('short', () => undefined);
    builder.script = async (_request, _progress, signal) => {
      session.destroy();
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      signal.throwIfAborted();
    };
    const { status, text } = await build('session=short');
    assert.equal(status, 409);
    assert.match(text, /the build was cancelled: the session of its client has ended/);
  });

  test('takes the credentials of X-Registry-Config where there is no session', async () => {
    let given: unknown;
    builder.script = async ({ source }, _, signal) => {
      given = await source.credentials('registry:5000', signal);
    };
    const config = { 'registry:5000': { username: 'ann', password: 'secret' } };
    await build('', CONTEXT, {
      'X-Registry-Config': Buffer.from(JSON.stringify(config)).toString('base64url'),
    });
    assert.deepEqual(given, { username: 'ann', password: 'secret' });
  });

  test('fails with a status before it has said anything, and in the answer after that', async () => {
    const early = await build('networkmode=custom');
    assert.equal(early.status, 400);
    assert.match(early.text, /network mode \\"custom\\" not supported by buildkit/);
    builder.script = async ({ source }, _, signal) => {
      await source.readDockerfile('docker/File', signal);
      throw new EngineError('bad-request', 'the step failed');
    };
    const late = await build('');
    assert.equal(late.status, 200);
    assert.deepEqual(late.lines.at(-1), {
      errorDetail: { message: 'the step failed' },
      error: 'the step failed',
    });
    assert.ok(tracesOf(late.lines).length > 0);
    const unknown = await callEngine(engine.socket, 'POST', '/build?version=3', { body: '' });
    assert.equal(unknown.status, 400);
    assert.match(unknown.text, /invalid version \\"3\\"/);
  });

  test('answers with the ID alone when it is quiet', async () => {
    const { lines } = await build('q=1');
    assert.deepEqual(lines, [{ stream: `${image.id}\n` }]);
  });

  test("needs a session for a context that is the client's", async () => {
    builder.script = async ({ source }, _, signal) => {
      await source.readDockerfile('Dockerfile', signal);
    };
    const { text } = await build('remote=client-session', new Uint8Array());
    assert.match(text, /no active sessions/);
  });

  test('is cancelled by its buildid', async () => {
    const begun = Promise.withResolvers<void>();
    builder.script = async (_request, _progress, signal) => {
      begun.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      signal.throwIfAborted();
    };
    const building = build('buildid=one');
    await Promise.race([begun.promise, building]);
    assert.equal((await callEngine(engine.socket, 'POST', '/build/cancel?id=one')).status, 200);
    assert.match((await building).text, /cancelled/);
  });

  test('answers only when the body has been read', async () => {
    const told = Promise.withResolvers<void>();
    builder.script = async ({ source }, progress, signal) => {
      progress({ kind: 'planned', id: 'x', name: 'early', inputs: [] });
      told.resolve();
      await source.readDockerfile('docker/File', signal);
    };
    const sent = request({ socketPath: engine.socket, method: 'POST', path: '/build?version=2' });
    let isAnswered = false;
    const answered = once(sent, 'response').then((answer) => {
      isAnswered = true;
      return answer;
    });
    sent.write(CONTEXT.subarray(0, 512));
    await Promise.race([told.promise, answered]);
    await callEngine(engine.socket, 'GET', '/_ping');
    assert.equal(isAnswered, false);
    sent.end(CONTEXT.subarray(512));
    const [answer] = await answered;
    assert.equal(answer.statusCode, 200);
    answer.resume();
  });
});
