import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, describe, test } from 'node:test';
import { EngineError } from '../../../../runtime-agent/errors.ts';
import { openAttach, openRaw, readFrames } from './fakes/attach-client.ts';
import { callEngine, openEngine } from './fakes/call-engine.ts';
import { DOCKER_RUN_BODY, dockerRunBody } from './fakes/docker-run-body.ts';
import { makeImage } from './fakes/fake-images.ts';
import { startFakeEngine } from './fakes/start-fake-engine.ts';

const engine = await startFakeEngine({ after });
engine.images.images = [makeImage('busybox:latest')];
const LIMIT = { timeout: 300_000 };
const call = (method: string, path: string, options = {}) => callEngine(engine.socket, method, path, options);

const byStream = ([one]: readonly [number, string], [other]: readonly [number, string]) => one - other;

async function create(change: object, host: object = {}): Promise<string> {
  const answer = await call('POST', '/containers/create', {
    body: dockerRunBody({ ...change }, { AutoRemove: false, ...host }),
  });
  assert.equal(answer.status, 201, answer.text);
  return JSON.parse(answer.text).Id;
}

/** Waits for something that the agent does after a client has gone. */
async function eventually(holds: () => boolean): Promise<void> {
  for (let left = 6_000; !holds() && left > 0; left -= 1)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(holds());
}

describe('attach', LIMIT, () => {
  test('takes the connection over and frames the output', async () => {
    const id = await create({ Cmd: ['sh', '-c', 'echo out; echo err >&2'] });
    const client = await openAttach(
      engine.socket,
      `/v1.45/containers/${id}/attach?stream=1&stdout=1&stderr=1`,
    );
    assert.match(client.head, /^HTTP\/1\.1 101 UPGRADED\r\n/);
    assert.match(client.head, /\r\nContent-Type: application\/vnd\.docker\.multiplexed-stream\r\n/);
    assert.match(client.head, /\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n/);
    // The CLI half-closes at once when it has no stdin: the output must still come.
    client.socket.end();
    await engine.containers.start(id);
    // Two pipes: which of them is read first is not told.
    assert.deepEqual(readFrames(await client.rest()).toSorted(byStream), [
      [1, 'out\n'],
      [2, 'err\n'],
    ]);
  });

  test('does not frame a terminal', async () => {
    const id = await create({ Cmd: ['echo', 'raw'], Tty: true });
    const client = await openAttach(engine.socket, `/containers/${id}/attach?stream=1&stdout=1`);
    assert.match(client.head, /application\/vnd\.docker\.raw-stream/);
    await engine.containers.start(id);
    assert.equal((await client.rest()).toString(), 'raw\n');
    client.socket.destroy();
  });

  test('passes stdin that came before the start, and its end', async () => {
    const id = await create({ Cmd: ['cat'], OpenStdin: true, StdinOnce: true });
    const client = await openAttach(engine.socket, `/containers/${id}/attach?stream=1&stdin=1&stdout=1`);
    client.socket.end('early');
    await engine.containers.start(id);
    assert.deepEqual(readFrames(await client.rest()), [[1, 'early']]);
  });

  test('input that ended before the attachment was there has ended', async () => {
    for (const input of ['', 'early']) {
      const id = await create({ Cmd: ['cat'], OpenStdin: true, StdinOnce: true });
      await engine.containers.start(id);
      // Long enough for the agent to read the end of the connection first.
      engine.containers.held = new Promise((resolve) => setTimeout(resolve, 200));
      const client = connect({ path: engine.socket, allowHalfOpen: true });
      const path = `/containers/${id}/attach?stream=1&stdin=1&stdout=1`;
      client.end(`POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n${input}`);
      const chunks: Buffer[] = [];
      for await (const chunk of client) chunks.push(chunk);
      const [, body = ''] = Buffer.concat(chunks).toString('latin1').split('\r\n\r\n');
      assert.deepEqual(readFrames(Buffer.from(body)), input === '' ? [] : [[1, input]]);
      engine.containers.held = Promise.resolve();
    }
  });

  test('a client that leaves does not end the container, and is forgotten', async () => {
    const id = await create({ Cmd: ['sleep', '60'], OpenStdin: true });
    await engine.containers.start(id);
    const client = await openAttach(engine.socket, `/containers/${id}/attach?stream=1&stdin=1&stdout=1`);
    assert.equal(engine.containers.listeners, 1);
    client.socket.destroy();
    await eventually(() => engine.containers.listeners === 0);
    assert.equal((await engine.containers.get(id)).state.status, 'running');
    await engine.containers.remove(id, { force: true });
  });

  test('a client that reads slowly gets every byte', async () => {
    const id = await create({ Cmd: ['head', '-c', '3000000', '/dev/zero'] });
    const client = await openAttach(engine.socket, `/containers/${id}/attach?stream=1&stdout=1`);
    client.socket.pause();
    await engine.containers.start(id);
    setTimeout(() => client.socket.resume(), 300);
    const frames = readFrames(await client.rest());
    assert.equal(
      frames.reduce((sum, [, text]) => sum + text.length, 0),
      3_000_000,
    );
    client.socket.destroy();
  });

  test('of what is not there is an ordinary error answer', async () => {
    const client = await openAttach(engine.socket, '/v1.45/containers/nosuch/attach?stream=1');
    assert.match(client.head, /^HTTP\/1\.1 404 Not Found\r\n/);
    assert.equal((await client.rest()).toString(), '{"message":"No such container: nosuch"}\n');
  });

  test('by another version or an escape that is none is a 400', async () => {
    for (const path of ['/v1.99/containers/a/attach', '/containers/%ZZ/attach']) {
      const client = await openAttach(engine.socket, path);
      assert.match(client.head, /^HTTP\/1\.1 400 /);
    }
  });

  test('an upgrade to a protocol that a path does not speak is refused', async () => {
    const client = await openAttach(engine.socket, '/grpc');
    assert.match(client.head, /^HTTP\/1\.1 400 /);
    client.socket.destroy();
  });
});

describe('attach by a client that asks for no upgrade', LIMIT, () => {
  const post = (id: string, headers = '') =>
    `POST /containers/${id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: a\r\n${headers}\r\n`;
  const cat = () => create({ Cmd: ['cat'], OpenStdin: true, StdinOnce: true });

  test('takes the connection over, and what follows is stdin', async () => {
    for (const headers of ['', 'Content-Length: 0\r\n', 'Connection: close\r\n', 'Upgrade: tcp\r\n']) {
      const id = await cat();
      const client = await openRaw(engine.socket, `${post(id, headers)}GET /with the head`);
      const isUpgrade = headers.startsWith('Upgrade');
      assert.match(client.head, isUpgrade ? /^HTTP\/1\.1 101 UPGRADED\r\n/ : /^HTTP\/1\.1 200 OK\r\n/);
      if (!isUpgrade) {
        assert.match(client.head, /\r\nContent-Type: application\/vnd\.docker\.raw-stream\r\n/);
        assert.doesNotMatch(client.head, /\r\n(Connection|Content-Length|Transfer-Encoding|Upgrade):/i);
      }
      client.socket.end(' and later');
      await engine.containers.start(id);
      const frames = readFrames(await client.rest());
      assert.equal(frames.map(([, text]) => text).join(''), 'GET /with the head and later');
    }
  });

  test('on a connection that had other requests, after their answers', async () => {
    const id = await cat();
    const info = 'GET /_ping HTTP/1.1\r\nHost: a\r\n\r\n';
    const client = await openRaw(engine.socket, info + info + post(id));
    await engine.containers.start(id);
    client.socket.end('typed');
    const text = client.head + (await client.rest()).toString('latin1');
    assert.deepEqual(
      [...text.matchAll(/Content-Type: (\S+)/gi)].map(([, type]) => type),
      ['text/plain;', 'text/plain;', 'application/vnd.docker.raw-stream'],
    );
    assert.ok(text.endsWith('typed'));
  });

  test('a body, whole or in pieces, is not stdin', async () => {
    const id = await cat();
    const client = await openRaw(
      engine.socket,
      `${post(id, 'Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n')}2\r\n{}\r\n0\r\n\r\nin`,
    );
    assert.match(client.head, /^HTTP\/1\.1 100 Continue\r\n/);
    await engine.containers.start(id);
    client.socket.end('put');
    assert.match((await client.rest()).toString('latin1'), /^HTTP\/1\.1 200 OK\r\n.*in.*put$/s);
  });

  test('of what is not there is an ordinary error answer', async () => {
    for (const path of ['/containers/nosuch/attach', '/v1.45/exec/nosuch/start']) {
      const client = await openRaw(engine.socket, `POST ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      assert.match(client.head, /^HTTP\/1\.1 404 Not Found\r\n/);
      assert.match((await client.rest()).toString(), /^\{"message":"No such .*nosuch"\}\n$/);
      client.socket.destroy();
    }
  });

  test('clients of old versions are told raw bytes for frames', async () => {
    const id = await create({ Cmd: ['true'] });
    const client = await openAttach(engine.socket, `/v1.41/containers/${id}/attach?stream=1&stdout=1`);
    assert.match(client.head, /application\/vnd\.docker\.raw-stream/);
    client.socket.destroy();
    const logs = await call('GET', `/v1.41/containers/${id}/logs?stdout=1`);
    assert.equal(logs.headers['content-type'], 'application/vnd.docker.raw-stream');
  });
});

describe('wait', LIMIT, () => {
  test('sends its headers before the container starts', async () => {
    const id = await create({}, { AutoRemove: true });
    const response = await openEngine(engine.socket, 'POST', `/containers/${id}/wait?condition=removed`);
    assert.equal(response.statusCode, 200);
    await engine.containers.start(id);
    const [chunk] = await once(response, 'data');
    assert.deepEqual(JSON.parse(chunk.toString()), { StatusCode: 3 });
  });
  test('answers at once for a container that has ended', async () => {
    const id = await create({});
    await engine.containers.start(id);
    await eventually(() => engine.events.recent(0).some((e) => e.id === id && e.action === 'die'));
    assert.deepEqual(JSON.parse((await call('POST', `/containers/${id}/wait`)).text), { StatusCode: 3 });
  });
});

describe('logs', LIMIT, () => {
  test('are framed, with times where asked', async () => {
    const id = await create({ Cmd: ['sh', '-c', 'echo a; echo b >&2'] });
    await engine.containers.start(id);
    const response = await openEngine(
      engine.socket,
      'GET',
      `/containers/${id}/logs?stdout=1&stderr=1&follow=1&timestamps=1`,
    );
    assert.equal(response.headers['content-type'], 'application/vnd.docker.multiplexed-stream');
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    const frames = readFrames(Buffer.concat(chunks)).toSorted(byStream);
    assert.deepEqual(
      frames.map(([stream]) => stream),
      [1, 2],
    );
    assert.match(frames[0]?.[1] ?? '', /^20\d\d-\d\d-\d\dT[\d:.]+Z a\n$/);
  });
  test('are not followed any more when the client leaves', async () => {
    const id = await create({ Cmd: ['sleep', '60'] });
    await engine.containers.start(id);
    const response = await openEngine(engine.socket, 'GET', `/containers/${id}/logs?stdout=1&follow=1`);
    // The followers of the test before may still be leaving.
    await eventually(() => engine.containers.listeners === 1);
    response.destroy();
    await eventually(() => engine.containers.listeners === 0);
    await engine.containers.remove(id, { force: true });
  });
});

describe('events', LIMIT, () => {
  const tell = (action: string, labels: Record<string, string> = {}) =>
    engine.events.publish({
      type: 'container',
      action,
      id: 'f'.repeat(64),
      attributes: { image: 'busybox:1', name: 'told', ...labels },
    });
  const actions = (text: string) =>
    text
      .split('\r\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line).Action);

  test('of the past and until a moment', async () => {
    tell('oom');
    const now = (Date.now() + 1000) / 1000;
    const filters = encodeURIComponent('{"container":{"told":true},"event":{"oom":true}}');
    const { text } = await call('GET', `/events?since=1&until=${now}&filters=${filters}`);
    assert.deepEqual(actions(text), ['oom']);
  });
  test('as they happen, by label, image and type', async () => {
    for (const filter of [
      '{"label":{"app=x":true}}',
      '{"image":["busybox"],"label":["app=x"]}',
      '{"type":["container"],"label":["app"]}',
    ]) {
      const response = await openEngine(
        engine.socket,
        'GET',
        `/events?filters=${encodeURIComponent(filter)}`,
      );
      assert.equal(response.headers['content-type'], 'application/json');
      tell('start');
      tell('die', { app: 'x' });
      const [chunk] = await once(response, 'data');
      assert.deepEqual(actions(chunk.toString()), ['die']);
      response.destroy();
    }
  });
});

describe('pull', LIMIT, () => {
  const PATH = '/v1.45/images/create?fromImage=127.0.0.1:5000/team/app&tag=1';
  test('tells its steps as lines, and credentials reach the port', async () => {
    engine.images.steps = [
      { kind: 'pulling-from', repository: 'team/app', tag: '1' },
      { kind: 'layer', id: 'abc', state: 'downloading', current: 1, total: 2 },
      { kind: 'layer', id: 'abc', state: 'downloading', current: 2, total: 2 },
      { kind: 'layer', id: 'abc', state: 'pull-complete' },
    ];
    const auth = Buffer.from('{"username":"u","password":"p>"}').toString('base64');
    const { status, text } = await call('POST', `${PATH}&platform=linux%2Faarch64`, {
      headers: { 'X-Registry-Auth': auth },
    });
    assert.equal(status, 200);
    const lines = text.split('\r\n').filter(Boolean);
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).status),
      ['Pulling from team/app', 'Downloading', 'Pull complete'],
    );
    const pulled = engine.images.pulled.at(-1);
    assert.equal(pulled?.reference, '127.0.0.1:5000/team/app:1');
    assert.deepEqual(pulled?.options.credentials, { username: 'u', password: 'p>' });
    assert.deepEqual(pulled?.options.platform, { os: 'linux', architecture: 'arm64' });
  });
  test('of a digest', async () => {
    await call('POST', `/images/create?fromImage=a/b&tag=sha256:${'a'.repeat(64)}`, {
      headers: { 'X-Registry-Auth': 'e30=' },
    });
    assert.equal(engine.images.pulled.at(-1)?.reference, `a/b@sha256:${'a'.repeat(64)}`);
    assert.equal(engine.images.pulled.at(-1)?.options.credentials, undefined);
  });
  test('that fails before its first line has a status, and after it an error line', async () => {
    engine.images.failure = new EngineError('not-found', 'manifest for x not found');
    const late = await call('POST', PATH);
    assert.equal(late.status, 200);
    assert.deepEqual(JSON.parse(late.text.split('\r\n').at(-2) ?? ''), {
      errorDetail: { message: 'manifest for x not found' },
      error: 'manifest for x not found',
    });
    engine.images.steps = [];
    const early = await call('POST', PATH);
    assert.deepEqual([early.status, early.text], [404, '{"message":"manifest for x not found"}\n']);
    engine.images.failure = undefined;
  });
  test('stops when the client hangs up', async () => {
    engine.images.steps = [{ kind: 'pulling-from', repository: 'team/app', tag: '1' }];
    const stopped = new Promise<void>((resolve) => {
      engine.images.hang = resolve;
    });
    const response = await openEngine(engine.socket, 'POST', PATH);
    response.destroy();
    await stopped;
    engine.images.hang = undefined;
  });
  test('refuses an authentication header that is none, without repeating it', async () => {
    const answer = await call('POST', PATH, { headers: { 'X-Registry-Auth': 'c2VjcmV0' } });
    assert.equal(answer.status, 400);
    assert.doesNotMatch(answer.text, /secret|c2VjcmV0/);
  });
});

test('when the agent stops, every stream ends and containers go on', LIMIT, async () => {
  const other = await startFakeEngine({ after });
  other.images.images = [makeImage('busybox:latest')];
  const body = { ...DOCKER_RUN_BODY, Cmd: ['sleep', '60'] };
  const created = await callEngine(other.socket, 'POST', '/containers/create?name=long', { body });
  assert.equal(created.status, 201);
  await other.containers.start('long');
  const attach = await openAttach(other.socket, '/containers/long/attach?stream=1&stdout=1');
  const logs = await openEngine(other.socket, 'GET', '/containers/long/logs?stdout=1&follow=1');
  const events = await openEngine(other.socket, 'GET', '/events');
  const wait = await openEngine(other.socket, 'POST', '/containers/long/wait');
  const ends = [logs, events, wait].map((stream) => once(stream.resume(), 'end'));
  await other.stop();
  attach.socket.end();
  assert.equal((await attach.rest()).length, 0);
  await Promise.all(ends);
  assert.equal((await other.containers.get('long')).state.status, 'running');
});
