import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type AttachCommand,
  OUTPUT_WINDOW,
} from '../../../../../runtime-agent/containers/attach/attach-messages.ts';
import {
  AttachSession,
  type InputPolicy,
} from '../../../../../runtime-agent/containers/attach/attach-session.ts';
import { collectOutput } from '../../../../support/agent-containers.ts';

const ALL = { stdin: true, stdout: true, stderr: true };

/** A session whose connection is made of lists. */
function openSession(input: InputPolicy = { open: true, once: false }, isAlive = () => true) {
  const commands: AttachCommand[] = [];
  let key = 0;
  const session = new AttachSession(
    {
      prepare: () => undefined,
      claim: () => ++key,
      command: (command) => commands.push(command),
      release: (released) => commands.push({ kind: 'close', key: released }),
    },
    input,
    isAlive,
  );
  const connect = async () => {
    const connecting = session.connect('/socket');
    session.take({ kind: 'opened', key, fd: 3 });
    await connecting;
  };
  const output = (text: string, stream: 'stdout' | 'stderr' = 'stdout') =>
    session.take({ kind: 'output', key, runs: [{ stream, data: Buffer.from(text) }] });
  const kinds = () => commands.splice(0).map(({ kind }) => kind);
  return {
    session,
    commands,
    connect,
    output,
    kinds,
    end: () => {
      session.take({ kind: 'ended', key });
      session.end();
    },
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('AttachSession', () => {
  it('gives every client what comes after it joined', async () => {
    const { session, connect, output, end } = openSession();
    const first = session.join(ALL);
    await connect();
    output('one ');
    const second = session.join({ stdin: false, stdout: false, stderr: true });
    output('two');
    output('err', 'stderr');
    end();
    assert.deepEqual(await collectOutput(first), { stdout: 'one two', stderr: 'err' });
    assert.deepEqual(await collectOutput(second), { stdout: '', stderr: 'err' });
    assert.deepEqual(await collectOutput(session.join(ALL)), { stdout: '', stderr: '' });
  });

  it('keeps input until the container can take it, and tells when it has', async () => {
    const { session, connect, commands } = openSession();
    const client = session.join(ALL);
    let isWritten = false;
    const writing = client.write(Buffer.from('early')).then(() => {
      isWritten = true;
    });
    await settled();
    assert.equal(commands.length, 0);
    await connect();
    const sent = commands.flatMap((command) => (command.kind === 'send' ? [Buffer.from(command.data)] : []));
    assert.equal(String(sent), 'early');
    await settled();
    assert.equal(isWritten, false);
    session.take({ kind: 'sent', key: 1, sequence: 0 });
    await writing;
  });

  it('acknowledges what the slowest client has taken', async () => {
    const { session, connect, output, commands } = openSession();
    const fast = session.join(ALL);
    const slow = session.join(ALL);
    await connect();
    output('12345');
    const reader = fast.output[Symbol.asyncIterator]();
    await reader.next();
    assert.equal(commands.filter(({ kind }) => kind === 'consumed').length, 0);
    slow.close();
    assert.deepEqual(commands.at(-1), { kind: 'consumed', key: 1, bytes: 5 });
  });

  it('ends the input of a container that is for one client when that leaves', async () => {
    for (const leave of ['endInput', 'close'] as const) {
      const { session, connect, kinds } = openSession({ open: true, once: true });
      const client = session.join(ALL);
      const other = session.join({ ...ALL, stdin: false });
      await connect();
      other.close();
      assert.ok(!kinds().includes('end-input'));
      client[leave]();
      assert.ok(kinds().includes('end-input'));
      await client.write(Buffer.from('too late'));
      assert.ok(!kinds().includes('send'));
    }
  });

  it('leaves the input of other containers open, and conmon when nobody listens', async () => {
    const { session, connect, kinds } = openSession();
    const client = session.join(ALL);
    await connect();
    client.endInput();
    assert.deepEqual(kinds(), ['open']);
    client.close();
    assert.deepEqual(kinds(), ['close']);
    const again = session.join(ALL);
    await connect();
    again.close();
    assert.deepEqual(kinds(), ['open', 'close']);
  });

  it('stays connected where leaving would close an input that nobody has had yet', async () => {
    const { session, connect, kinds } = openSession({ open: true, once: true });
    const watcher = session.join({ ...ALL, stdin: false });
    await connect();
    watcher.close();
    assert.deepEqual(kinds(), ['open']);
  });

  it('delivers input of a client that has left', async () => {
    const { session, connect, kinds } = openSession();
    const client = session.join(ALL);
    await connect();
    const writing = client.write(Buffer.from('last words'));
    client.close();
    assert.deepEqual(kinds(), ['open', 'send']);
    session.take({ kind: 'sent', key: 1, sequence: 0 });
    await writing;
    assert.deepEqual(kinds(), ['close']);
  });

  it('cuts off a client that takes nothing where others wait for it', async () => {
    const late = performance.now() + 3_600_000;
    const big = 'x'.repeat(OUTPUT_WINDOW);
    const alone = openSession();
    const only = alone.session.join(ALL);
    await alone.connect();
    alone.output(big);
    alone.session.relieve(late);
    alone.end();
    assert.equal((await collectOutput(only)).stdout.length, OUTPUT_WINDOW);

    const shared = openSession();
    const stuck = shared.session.join(ALL);
    const reading = collectOutput(shared.session.join(ALL));
    await shared.connect();
    shared.output(big);
    await settled();
    shared.session.relieve(performance.now());
    shared.session.relieve(late);
    shared.end();
    await assert.rejects(collectOutput(stuck), /too slow/);
    assert.equal((await reading).stdout.length, OUTPUT_WINDOW);
  });

  it('takes all in when the container has ended, and loses nothing', async () => {
    const { session, connect, output, end, commands } = openSession(
      { open: false, once: false },
      () => false,
    );
    const slow = session.join(ALL);
    await connect();
    output('x'.repeat(OUTPUT_WINDOW));
    assert.equal(commands.filter(({ kind }) => kind === 'consumed').length, 0);
    session.relieve(performance.now());
    assert.deepEqual(commands.at(-1), { kind: 'consumed', key: 1, bytes: OUTPUT_WINDOW });
    output('last');
    assert.deepEqual(commands.at(-1), { kind: 'consumed', key: 1, bytes: 4 });
    end();
    assert.equal((await collectOutput(slow)).stdout.length, OUTPUT_WINDOW + 4);
  });

  it('ends its clients when the end is recorded, not before', async () => {
    const { session, connect, output } = openSession();
    const client = session.join(ALL);
    await connect();
    output('last');
    session.take({ kind: 'ended', key: 1 });
    await session.ended;
    let isOver = false;
    const reading = collectOutput(client).then((read) => {
      isOver = true;
      return read;
    });
    await client.write(Buffer.from('too late'));
    await settled();
    assert.equal(isOver, false);
    session.end();
    assert.equal((await reading).stdout, 'last');
  });

  it('fails to connect with the reason, and ends its clients', async () => {
    const { session } = openSession();
    const client = session.join(ALL);
    const connecting = session.connect('/socket');
    session.take({ kind: 'ended', key: 1, error: 'nobody listens' });
    await assert.rejects(connecting, { code: 'runtime', message: 'nobody listens' });
    session.end();
    assert.deepEqual(await collectOutput(client), { stdout: '', stderr: '' });
  });
});
