import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { type ChannelFrame, decodeFrame, encodeCredit, encodeFrame } from '../../fleet/channel-frame.ts';
import { CHANNEL_WINDOW, type ChannelRequest, type LogEntry, PROTOCOL } from '../../fleet/messages.ts';
import type { InstanceReport } from '../../fleet/report.ts';
import { digestOf } from '../support/content.ts';
import { eventually } from '../support/eventually.ts';
import { emptyTarget, healthyReport, startFleetRegistry } from '../support/fleet-registry.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { FACTS, type HostSocket } from '../support/joined-host.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';
import { waitUntil } from '../support/wait-until.ts';

const registry = await startFleetRegistry({ after });
const WRITER = await registry.addUser('wendy', { 'team/*': 'writer' });
const MAINTAINER = await registry.addUser('mary', { 'team/*': 'maintainer' });
const READER = await registry.addUser('rita', { 'team/*': 'reader' });
const STRANGER = await registry.addUser('sam', { 'other/*': 'admin' });

const instance = (service: string, number: number): InstanceReport => ({
  service,
  instance: number,
  release: 1,
  container: `${service}-${number}`,
  image: digestOf(service),
  state: 'running',
  health: 'healthy',
  restarts: 0,
});

interface FakeHost extends HostSocket {
  readonly id: string;
  /** Frames that the registry has sent. */
  readonly frames: readonly ChannelFrame[];
  opened(): Promise<{ readonly channel: number; readonly request: ChannelRequest }>;
  /** With another connection of the same host. */
  connectAgain(): Promise<HostSocket>;
}

/** A host that has an app, and answers as the test tells it. */
async function startHost(
  name: string,
  app: string,
  ...instances: readonly InstanceReport[]
): Promise<FakeHost> {
  const host = await registry.join(name);
  await registry.hosts.setTargets([{ host: host.id, set: [emptyTarget(app)], remove: [] }]);
  const socket = await host.connect();
  const frames: ChannelFrame[] = [];
  socket.socket.on('message', (data, isBinary) => {
    const frame = isBinary ? decodeFrame(data as Buffer) : undefined;
    if (frame !== undefined) frames.push(frame);
  });
  socket.send({ type: 'hello', facts: FACTS, generation: 0 });
  await socket.message('target');
  socket.send({ type: 'report', reports: [{ ...healthyReport(app), instances }], gone: [] });
  await waitUntil(
    'the report is stored',
    async () => (await registry.hosts.find(host.id))?.reports.length === 1,
  );
  const connectAgain = async () => {
    const next = await host.connect();
    next.send({ type: 'hello', facts: FACTS, generation: 0 });
    return next;
  };
  return { ...socket, id: host.id, frames, opened: () => socket.message('open'), connectAgain };
}

const pathOf = (app: string, what: string, query: Record<string, string>) =>
  `/apps/${encodeURIComponent(app)}/${what}?${new URLSearchParams(query)}`;
const entry = (line: string, time: string, more: Partial<LogEntry> = {}) =>
  `${JSON.stringify({ service: 'web', instance: 1, release: 1, stream: 'stdout', time, line, ...more })}\n`;

interface Person {
  readonly socket: WebSocket;
  readonly frames: readonly ChannelFrame[];
  readonly end: () => { readonly code: number; readonly reason: string } | undefined;
}

/** Opens exec. Rejects with the status of a refusal. */
async function exec(
  app: string,
  query: Record<string, string>,
  authorization: string,
  environment?: object,
): Promise<Person> {
  const url = `${registry.url.replace('http', 'ws')}/api/v1${pathOf(app, 'exec', query)}`;
  const socket = new WebSocket(url, PROTOCOL, {
    headers: {
      Authorization: authorization,
      ...(environment && {
        'Berth-Environment': Buffer.from(JSON.stringify(environment)).toString('base64url'),
      }),
    },
  });
  const frames: ChannelFrame[] = [];
  let end: { code: number; reason: string } | undefined;
  socket.on('message', (data) => {
    const frame = decodeFrame(data as Buffer);
    if (frame !== undefined) frames.push(frame);
  });
  socket.on('close', (code, reason) => {
    end = { code, reason: String(reason) };
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
    socket.once('unexpected-response', (_request, response) => reject(new Error(`${response.statusCode}`)));
  });
  socket.on('error', () => {});
  return { socket, frames, end: () => end };
}

const textOf = (frames: readonly ChannelFrame[], kind: string) =>
  Buffer.concat(frames.filter((frame) => frame.kind === kind).map(({ payload }) => payload)).toString();

describe('logs', { concurrency: true }, () => {
  test('of several hosts come by their time, with the name of the host', async () => {
    const one = await startHost('log1', 'team/logs', instance('web', 1));
    const two = await startHost('log2', 'team/logs', instance('web', 2));
    const reading = registry.manage(
      'GET',
      pathOf('team/logs', 'logs', { tail: '5', service: 'web' }),
      undefined,
      READER,
    );
    const opened = [await one.opened(), await two.opened()] as const;
    assert.deepEqual(opened[0].request, {
      kind: 'logs',
      app: 'team/logs',
      follow: false,
      timestamps: false,
      tail: 5,
      service: 'web',
    });
    const [a, b] = [entry('a', '1', { host: 'bank' }), entry('c', '3')];
    const whole = Buffer.from(a + b);
    one.socket.send(encodeFrame(opened[0].channel, 'data', whole.subarray(0, 20)));
    one.socket.send(encodeFrame(opened[0].channel, 'data', whole.subarray(20)));
    one.socket.send(encodeFrame(opened[0].channel, 'close'));
    two.socket.send(encodeFrame(opened[1].channel, 'data', entry('b — ü', '2', { stream: 'stderr' })));
    two.socket.send(encodeFrame(opened[1].channel, 'end'));
    const answer = await reading;
    assert.equal(answer.headers.get('Content-Type'), 'application/jsonl');
    const lines = (await answer.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ host, line, stream }) => [host, line, stream]),
      [
        ['log1', 'a', 'stdout'],
        ['log2', 'b — ü', 'stderr'],
        ['log1', 'c', 'stdout'],
      ],
    );
    const [recorded] = await registry.audited(/logs of team\/logs/);
    assert.equal(recorded?.who, 'rita');
  });

  test('the latest are a list', async () => {
    const host = await startHost('latest', 'team/latest', instance('web', 1));
    const read = async (lines: string, written: readonly string[]) => {
      const reading = registry.manage(
        'GET',
        pathOf('team/latest', 'latest-logs', { lines }),
        undefined,
        READER,
      );
      const opened = await host.opened();
      assert.ok(opened.request.kind === 'logs' && !opened.request.follow);
      for (const [index, line] of written.entries()) {
        host.socket.send(encodeFrame(opened.channel, 'data', entry(line, String(index))));
      }
      host.socket.send(encodeFrame(opened.channel, 'end'));
      const answer = (await (await reading).json()) as { lines: { line: string }[]; complete: boolean };
      return { ...answer, lines: answer.lines.map(({ line }) => line) };
    };
    assert.deepEqual(await read('2', ['a', 'b', 'c']), { lines: ['b', 'c'], complete: true });
  });

  test('that are followed end for the host when the reader leaves', async () => {
    const host = await startHost('follower', 'team/follow', instance('web', 1));
    const leaving = new AbortController();
    const answer = await fetch(`${registry.url}/api/v1${pathOf('team/follow', 'logs', { follow: 'true' })}`, {
      headers: { Authorization: READER },
      signal: leaving.signal,
    });
    const { channel } = await host.opened();
    host.socket.send(encodeFrame(channel, 'data', entry('hello', '1')));
    const { value } = (await answer.body?.getReader().read()) ?? {};
    assert.match(Buffer.from(value ?? []).toString(), /"line":"hello"/);
    leaving.abort();
    await waitUntil('the host is told', () => host.frames.some(({ kind }) => kind === 'close'));
  });

  test('that are followed end when the account is removed', async () => {
    const reader = await registry.addUser('leaver', { 'team/*': 'reader' });
    const host = await startHost('left', 'team/left', instance('web', 1));
    const answer = await fetch(`${registry.url}/api/v1${pathOf('team/left', 'logs', { follow: 'true' })}`, {
      headers: { Authorization: reader },
    });
    const { channel } = await host.opened();
    host.socket.send(encodeFrame(channel, 'data', entry('hello', '1')));
    const text = answer.text();
    await registry.store.accounts.remove('leaver');
    // It ends before the account's last line, or is cut there.
    assert.match(await text.catch(() => '"line":"hello"'), /"line":"hello"/);
    await waitUntil('the host is told', () => host.frames.some(({ kind }) => kind === 'close'));
  });

  test('that nobody reads are held back at the host', async () => {
    const host = await startHost('writer', 'team/slow', instance('web', 1));
    const leaving = new AbortController();
    const answer = await fetch(`${registry.url}/api/v1${pathOf('team/slow', 'logs', { follow: 'true' })}`, {
      headers: { Authorization: READER },
      signal: leaving.signal,
    });
    assert.equal(answer.status, 200);
    const { channel } = await host.opened();
    const line = entry('x'.repeat(60_000), '1');
    let sent = 0;
    const credit = () =>
      host.frames.reduce(
        (sum, frame) => sum + (frame.kind === 'credit' ? frame.payload.readUInt32BE() : 0),
        0,
      );
    // As a host does that keeps to its credit: what the sockets take is bounded.
    for (let idle = 0; idle < 50; idle += 1) {
      while (sent + line.length <= CHANNEL_WINDOW + credit()) {
        host.socket.send(encodeFrame(channel, 'data', line));
        sent += line.length;
        idle = 0;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.ok(sent < 64 * 2 ** 20, `${sent} bytes`);
    leaving.abort();
  });

  test('of a host that lies, or is gone, are a line that says so', async () => {
    const liar = await startHost('liar', 'team/lies', instance('web', 1));
    const reading = registry.manage('GET', pathOf('team/lies', 'logs', {}), undefined, READER);
    const { channel } = await liar.opened();
    liar.socket.send(encodeFrame(channel, 'data', 'no JSON\n'));
    assert.match(
      await (await reading).text(),
      /^{"host":"liar","error":"the host sent no log: an entry must be JSON"}\n$/,
    );
    liar.socket.close();
    await waitUntil('it is gone', async () => (await registry.hosts.find(liar.id))?.connected === false);
    const refused = await registry.manage('GET', pathOf('team/lies', 'logs', {}), undefined, READER);
    assert.equal(refused.status, 503);
    assert.match(await refused.text(), /the host liar is not connected/);
    const nowhere = await registry.manage('GET', pathOf('team/nothing', 'logs', {}), undefined, READER);
    assert.equal(nowhere.status, 404);
  });

  test('that are followed say that a host is lost, and go on when it is back', async () => {
    const host = await startHost('lost', 'team/lost', instance('web', 1));
    const leaving = new AbortController();
    const answer = await fetch(`${registry.url}/api/v1${pathOf('team/lost', 'logs', { follow: 'true' })}`, {
      headers: { Authorization: READER },
      signal: leaving.signal,
    });
    const text = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let read = '';
    const until = async (pattern: RegExp) => {
      while (!pattern.test(read)) read += (await text?.read())?.value;
    };
    const at = (second: number) => `2026-12-02T10:00:0${second}.000000000Z`;
    const { channel } = await host.opened();
    host.socket.send(encodeFrame(channel, 'data', entry('a', at(1)) + entry('b', at(2)) + entry('c', at(2))));
    await until(/"line":"c"/);
    host.socket.terminate();
    await until(/"error":"the connection of the host lost has ended"/);
    const again = await host.connectAgain();
    const { channel: other, request } = await again.message('open');
    assert.equal(request.kind === 'logs' && request.since, Date.parse(at(2)) - 5_000);
    again.socket.send(
      encodeFrame(other, 'data', [1, 2, 2, 2].map((second, index) => entry(`${index}`, at(second))).join('')),
    );
    await until(/"line":"3"/);
    assert.deepEqual([...read.matchAll(/"line":"(.)"/g)].map(([, line]) => line).join(''), 'abc3');
    leaving.abort();
  });

  test('are bounded for each person', async () => {
    await startHost('busy', 'team/busy', instance('web', 1));
    const ends = new AbortController();
    const read = () =>
      fetch(`${registry.url}/api/v1${pathOf('team/busy', 'logs', { follow: 'true' })}`, {
        headers: { Authorization: READER },
        signal: ends.signal,
      });
    // Kept: an answer that nobody holds is given up.
    const answers = [];
    for (let count = 0; count < 17; count += 1) answers.push(await read());
    assert.deepEqual(
      answers.map(({ status }) => status),
      [...Array(16).fill(200), 429],
    );
    ends.abort();
    await eventually('there is room again', async () => {
      const after = new AbortController();
      const { status } = await fetch(
        `${registry.url}/api/v1${pathOf('team/busy', 'logs', { follow: 'true' })}`,
        {
          headers: { Authorization: READER },
          signal: after.signal,
        },
      );
      after.abort();
      return status === 200 ? true : undefined;
    });
  });
});

describe('exec', { concurrency: true }, () => {
  const SHELL = { service: 'web', command: '["sh","-c","cat"]', tty: 'false', stdin: 'true' };

  test('ends when the right to it is taken away, and goes on while it is there', async () => {
    const keeper = await registry.addUser('keeper', { 'team/*': 'maintainer' });
    const leaver = await registry.addUser('loser', { 'team/*': 'maintainer' });
    const host = await startHost('rights', 'team/rights', instance('web', 1));
    const staying = await exec('team/rights', SHELL, keeper);
    await host.opened();
    const leaving = await exec('team/rights', SHELL, leaver);
    await registry.store.roles.put({
      holder: { kind: 'user', name: 'loser' },
      pattern: 'team/*',
      role: 'reader',
    });
    await waitUntil('it has ended', () => leaving.end() !== undefined);
    assert.deepEqual(leaving.end(), { code: 1008, reason: 'your login, or your right to this, has ended' });
    await waitUntil('the host is told', () => host.frames.some(({ kind }) => kind === 'close'));
    assert.equal(staying.end(), undefined);
    staying.socket.close();
  });

  test('passes input, output and the exit code on', async () => {
    const host = await startHost('shell', 'team/shell', instance('web', 1));
    const query = { ...SHELL, user: 'www', workdir: '/srv', rows: '24', columns: '80' };
    const environment = { DB_PASSWORD: 'hunter2' };
    const person = await exec('team/shell', query, MAINTAINER, environment);
    const { channel, request } = await host.opened();
    assert.deepEqual(request, {
      kind: 'exec',
      app: 'team/shell',
      service: 'web',
      command: ['sh', '-c', 'cat'],
      environment,
      user: 'www',
      workingDir: '/srv',
      tty: false,
      stdin: true,
      size: { rows: 24, columns: 80 },
    });
    person.socket.send(encodeFrame(0, 'stdin', 'input'));
    person.socket.send(encodeFrame(0, 'size', '{"rows":10,"columns":20}'));
    person.socket.send(encodeFrame(0, 'end'));
    await waitUntil('the input is there', () => host.frames.length === 3);
    assert.deepEqual(
      host.frames.map((frame) => [frame.channel, frame.kind, String(frame.payload)]),
      [
        [channel, 'stdin', 'input'],
        [channel, 'size', '{"rows":10,"columns":20}'],
        [channel, 'end', ''],
      ],
    );
    host.socket.send(encodeCredit(channel, 5));
    host.socket.send(encodeFrame(channel, 'stdout', 'out'));
    host.socket.send(encodeFrame(channel, 'stderr', 'err'));
    host.socket.send(encodeFrame(channel, 'exit', '3'));
    host.socket.send(encodeFrame(channel, 'close'));
    await waitUntil('it has ended', () => person.end() !== undefined);
    assert.equal(person.end()?.code, 1000);
    assert.deepEqual(
      person.frames.map(({ kind, payload }) => [
        kind,
        kind === 'credit' ? payload.readUInt32BE() : String(payload),
      ]),
      [
        ['credit', 5],
        ['stdout', 'out'],
        ['stderr', 'err'],
        ['exit', '3'],
        ['close', ''],
      ],
    );
    const [recorded] = await registry.audited(/exec in web of team\/shell on shell/);
    assert.equal(recorded?.who, 'mary');
    assert.equal(recorded?.detail, 'exec in web of team/shell on shell: ["sh","-c","cat"] with DB_PASSWORD');
  });

  test('is for maintainers; each who tries', async () => {
    await startHost('roles', 'team/roles', instance('web', 1));
    const admin = basicAuthorization('admin', ADMIN_PASSWORD);
    const appsRobot = await registry.addRobot('apps', 'registry:apps');
    const pullRobot = await registry.addRobot('pulls', 'team/*:pull');
    const logsOf = async (who: string) => {
      const answer = await registry.manage('GET', pathOf('team/none', 'logs', {}), undefined, who);
      return answer.status;
    };
    const execOf = (who: string) =>
      exec('team/roles', SHELL, who).then(
        ({ socket }) => {
          socket.close();
          return 101;
        },
        ({ message }: Error) => Number(message),
      );
    for (const [name, who, logs, execs] of [
      ['stranger', STRANGER, 403, 403],
      ['reader', READER, 404, 403],
      ['writer', WRITER, 404, 403],
      ['maintainer', MAINTAINER, 404, 101],
      ['administrator', admin, 404, 101],
      ['robot for apps', appsRobot, 404, 101],
      ['robot that pulls', pullRobot, 403, 403],
      ['nobody', basicAuthorization('admin', 'wrong'), 401, 401],
    ] as const) {
      assert.deepEqual([await logsOf(who), await execOf(who)], [logs, execs], name);
    }
  });

  test('is refused with a sentence', async () => {
    const host = await startHost('refuser', 'team/refuse', instance('web', 1));
    const status = (query: Record<string, string>) =>
      exec('team/refuse', query, MAINTAINER).then(
        () => 101,
        ({ message }: Error) => Number(message),
      );
    assert.equal(await status({ ...SHELL, command: 'sh' }), 400);
    assert.equal(await status({ ...SHELL, command: '[]' }), 400);
    await assert.rejects(exec('team/refuse', SHELL, MAINTAINER, ['A=b']), /400/);
    await assert.rejects(exec('team/refuse', SHELL, MAINTAINER, { 'A=b': 'c' }), /400/);
    assert.equal(await status({ ...SHELL, tty: 'maybe' }), 400);
    assert.equal(await status({ ...SHELL, rows: '0' }), 400);
    assert.equal(await status({ ...SHELL, service: 'db' }), 404);
    assert.equal(await status({ ...SHELL, instance: '2' }), 404);
    const plain = await registry.manage('GET', pathOf('team/refuse', 'exec', SHELL), undefined, MAINTAINER);
    assert.equal(plain.status, 426);
    host.socket.terminate();
    await waitUntil('it is gone', async () => (await registry.hosts.find(host.id))?.connected === false);
    assert.equal(await status(SHELL), 503);
  });

  test('ends with a sentence when the host is lost, and at the host when the person is', async () => {
    const host = await startHost('cut', 'team/cut', instance('web', 1));
    const gone = await exec('team/cut', SHELL, MAINTAINER);
    await host.opened();
    gone.socket.terminate();
    await waitUntil('the host is told', () => host.frames.some(({ kind }) => kind === 'close'));
    const person = await exec('team/cut', SHELL, MAINTAINER);
    await waitUntil('it is open', () => host.received.filter(({ type }) => type === 'open').length === 2);
    host.socket.terminate();
    await waitUntil('it has ended', () => person.end() !== undefined);
    assert.match(textOf(person.frames, 'error'), /the connection of the host cut has ended/);
  });

  test('holds both sides to what the other has allowed', async () => {
    const host = await startHost('greedy', 'team/greedy', instance('web', 1));
    const flood = await exec('team/greedy', SHELL, MAINTAINER);
    await host.opened();
    for (let count = 0; count < 5; count += 1)
      flood.socket.send(encodeFrame(0, 'stdin', Buffer.alloc(65_536)));
    await waitUntil('the person is refused', () => flood.end() !== undefined);
    assert.equal(flood.end()?.code, 1008);
    const liar = await exec('team/greedy', SHELL, MAINTAINER);
    liar.socket.send(encodeCredit(0, 1_000_000));
    await waitUntil('its credit is refused', () => liar.end()?.code === 1008);
    const sizes = await exec('team/greedy', SHELL, MAINTAINER);
    for (let count = 0; count < 1_000; count += 1) sizes.socket.send(encodeFrame(0, 'size', '{}'));
    await waitUntil('its frames are refused', () => sizes.end()?.code === 1008);
    assert.equal(host.code(), undefined);
    const person = await exec('team/greedy', SHELL, MAINTAINER);
    await waitUntil('it is open', () => host.received.filter(({ type }) => type === 'open').length === 4);
    for (let count = 0; count < 5; count += 1) {
      host.socket.send(encodeFrame(4, 'stdout', Buffer.alloc(65_536)));
    }
    assert.equal(await host.ended(), 1008);
    await waitUntil('the person is told', () => textOf(person.frames, 'error') !== '');
  });

  test('that a host refuses at once ends with its sentence, and what it still sends is no fault', async () => {
    const host = await startHost('early', 'team/early', instance('web', 1));
    host.socket.on('message', (data, isBinary) => {
      const message = isBinary ? {} : JSON.parse(String(data));
      if (message.type !== 'open') return;
      host.socket.send(encodeFrame(message.channel, 'error', 'no instance runs'));
      host.socket.send(encodeFrame(message.channel, 'close'));
      for (let count = 0; count < 1_000; count += 1)
        host.socket.send(encodeFrame(message.channel, 'stdout', 'x'));
    });
    const person = await exec('team/early', SHELL, MAINTAINER);
    await waitUntil('it has ended', () => person.end() !== undefined);
    assert.equal(textOf(person.frames, 'error'), 'no instance runs');
    const answer = await registry.manage('GET', '/hosts/early');
    assert.equal(((await answer.json()) as { state: string }).state, 'online');
    assert.equal(host.code(), undefined);
  });

  test('a million channels that a host makes up end its connection', async () => {
    const host = await startHost('maker', 'team/maker', instance('web', 1));
    for (let count = 0; count < 10_000; count += 1) host.socket.send(encodeFrame(count, 'data', 'x'));
    assert.equal(await host.ended(), 1008);
  });
});
