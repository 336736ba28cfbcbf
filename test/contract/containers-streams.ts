import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attachment, LogOptions } from '../../runtime-agent/containers/containers.ts';
import { type AgentContainers, collectOutput, readLogs, runContainer } from '../support/agent-containers.ts';
import { containerConfig, hostConfig } from '../support/container-requests.ts';
import { LONGEST_WAIT } from '../support/longest-wait.ts';
import { waitUntil } from '../support/wait-until.ts';

const MEGABYTE = 1 << 20;

/** Attaching, terminals and logs. */
export function describeStreams(name: string, agent: () => AgentContainers): void {
  describe(`${name}: streams`, () => {
    const start = async (script: string, config = {}) => {
      const { containers } = agent();
      const { id } = await containers.create({
        config: containerConfig(['sh', '-c', script], config),
        hostConfig: hostConfig(),
      });
      const attach = (stdin = false) => containers.attach(id, { stdin, stdout: true, stderr: true });
      return { id, containers, attach };
    };

    it('delivers 20 MB of output wholly when the process ends right after it', async () => {
      const { stdout, exitCode } = await runContainer(agent(), [
        'sh',
        '-c',
        'dd if=/dev/zero bs=65536 count=320 2>/dev/null | tr "\\0" x',
      ]);
      assert.equal(exitCode, 0);
      assert.equal(stdout.length, 20 * MEGABYTE);
      assert.ok(/^x+$/.test(stdout));
    });

    it('has recorded the end before the output ends', async () => {
      for (let run = 0; run < 5; run += 1) {
        const { id, containers, attach } = await start('echo last; exit 3');
        const client = await attach();
        await containers.start(id);
        await collectOutput(client);
        const { status, exitCode } = (await containers.get(id)).state;
        assert.deepEqual([status, exitCode], ['exited', 3]);
        await containers.remove(id, { force: false, volumes: false });
      }
    });

    it('gives several clients the same, and lets one leave', async () => {
      const { id, containers, attach } = await start('read go; seq 1 1000; echo done >&2', {
        OpenStdin: true,
        StdinOnce: true,
      });
      const first = await attach(true);
      const second = await attach();
      await containers.start(id);
      const third = await attach();
      const outputs = [first, second].map(collectOutput);
      third.close();
      await first.write(Buffer.from('go\n'));
      const [one, two] = await Promise.all(outputs);
      assert.equal(one?.stdout.split('\n').length, 1001);
      assert.equal(one?.stderr, 'done\n');
      assert.deepEqual(two, one);
      assert.deepEqual(await collectOutput(third), { stdout: '', stderr: '' });
    });

    it('holds a container back while a client does not read, and forgets nothing', async () => {
      const { id, containers, attach } = await start(
        'dd if=/dev/zero bs=65536 count=64 2>/dev/null; echo written >&2; sleep 100',
      );
      const slow = await attach();
      await containers.start(id);
      await sleep(1_000);
      assert.equal(await logOf(id, { stdout: false }), '', 'the container went on writing without a reader');
      let bytes = 0;
      for await (const { stream, data } of slow.output) {
        if (stream === 'stdout') bytes += data.length;
        if (bytes >= 4 * MEGABYTE) break;
      }
      assert.equal(bytes, 4 * MEGABYTE);
      await containers.remove(id, { force: true, volumes: false });
    });

    it('delivers what a container wrote to a client that begins to read after its end', async () => {
      // More than the agent holds for a slow client, and less than what would stop the container: sockets, pipes and all.
      const { id, containers, attach } = await start('dd if=/dev/zero bs=8192 count=40 2>/dev/null');
      const client = await attach();
      const waiting = await containers.wait(id, 'next-exit', AbortSignal.timeout(LONGEST_WAIT));
      await containers.start(id);
      assert.deepEqual(await waiting.result, { exitCode: 0 });
      await containers.remove(id, { force: false, volumes: false });
      assert.equal((await collectOutput(client)).stdout.length, 40 * 8192);
    });

    it('does not let a client that reads nothing keep a killed container alive', async () => {
      const { id, containers, attach } = await start('trap "" PIPE; seq -w 100000 999999');
      const stuck = await attach();
      const waiting = await containers.wait(id, 'next-exit', AbortSignal.timeout(LONGEST_WAIT));
      await containers.start(id);
      await sleep(500);
      await containers.kill(id, 'KILL');
      assert.deepEqual(await waiting.result, { exitCode: 137 });
      // And what it had written is not lost on the client.
      assert.equal((await collectOutput(stuck)).stdout, await readLogs(agent(), id));
    });

    it('keeps stdin open when a client leaves, if it is not for one client', async () => {
      const { id, containers, attach } = await start('while read line; do echo "got $line"; done; echo eof', {
        OpenStdin: true,
        StdinOnce: false,
      });
      const first = await attach(true);
      await containers.start(id);
      await first.write(Buffer.from('one\n'));
      assert.equal(await nextText(first), 'got one\n');
      first.endInput();
      first.close();
      const second = await attach(true);
      await second.write(Buffer.from('two\n'));
      assert.equal(await nextText(second), 'got two\n');
      await containers.remove(id, { force: true, volumes: false });
    });

    it('takes large input at the pace of the process', async () => {
      const { id, containers, attach } = await start('sleep 0.3; wc -c', {
        OpenStdin: true,
        StdinOnce: true,
      });
      const client = await attach(true);
      const block = Buffer.alloc(MEGABYTE, 'y');
      const writing = (async () => {
        for (let count = 0; count < 8; count += 1) await client.write(block);
        client.endInput();
      })();
      await containers.start(id);
      assert.equal((await collectOutput(client)).stdout.trim(), String(8 * MEGABYTE));
      await writing;
    });

    it('runs on a terminal that has the size it is given', async () => {
      // The size goes by another way than the input.
      const sized = 'until stty size | grep "33 77"; do sleep 0.02; done';
      const { id, containers, attach } = await start(`read x; ${sized}; test -t 1 && echo terminal`, {
        Tty: true,
        OpenStdin: true,
        StdinOnce: true,
      });
      const client = await attach(true);
      await containers.start(id);
      await containers.resize(id, { rows: 33, columns: 77 });
      await client.write(Buffer.from('\n'));
      const { stdout, stderr } = await collectOutput(client);
      assert.equal(stdout, '\r\n33 77\r\nterminal\r\n');
      assert.equal(stderr, '');
      const ended = await containers.wait(id, 'not-running', AbortSignal.timeout(LONGEST_WAIT));
      await ended.result;
      await assert.rejects(containers.resize(id, { rows: 1, columns: 1 }), { code: 'conflict' });
    });

    it('joins the parts of long lines, and ends with one that has no line feed', async () => {
      const { id } = await runContainer(agent(), [
        'sh',
        '-c',
        'head -c 30000 /dev/zero | tr "\\0" a; echo; echo -n "part "; sleep 0.2; echo whole; echo -n last',
      ]);
      assert.equal(await readLogs(agent(), id), `${'a'.repeat(30_000)}\npart whole\nlast`);
      assert.equal(await readLogs(agent(), id, { tail: 1 }), 'last');
      assert.equal(await readLogs(agent(), id, { tail: 2 }), 'part whole\nlast');
    });

    const logOf = async (id: string, options: Partial<LogOptions>) => {
      let text = '';
      const all = { stdout: true, stderr: true, follow: false, ...options };
      for await (const { data } of await agent().containers.logs(
        id,
        all,
        AbortSignal.timeout(LONGEST_WAIT),
      )) {
        text += Buffer.from(data).toString('utf8');
      }
      return text;
    };

    it('shows the end, one stream, or a time of the log', async () => {
      const { id, containers, attach } = await start(
        'seq 1 5000; read go; echo late; read go; echo wrong >&2',
        { OpenStdin: true, StdinOnce: true },
      );
      const client = await attach(true);
      const output = collectOutput(client);
      const ended = await containers.wait(id, 'next-exit', AbortSignal.timeout(LONGEST_WAIT));
      await containers.start(id);
      // Two pipes have no order: each line waits until the one before is in the log, and its moment has passed.
      for (const last of ['5000\n', 'late\n']) {
        await waitUntil('the log has it', async () => (await logOf(id, { tail: 1 })) === last);
        await sleep(10);
        await client.write(Buffer.from('go\n'));
      }
      await ended.result;
      await output;
      assert.equal(await logOf(id, { tail: 3 }), '5000\nlate\nwrong\n');
      assert.equal(await logOf(id, { tail: 0 }), '');
      assert.equal((await logOf(id, { tail: 100_000 })).split('\n').length, 5003);
      assert.equal((await logOf(id, { tail: 4001 })).split('\n')[0], '1002');
      assert.equal(await logOf(id, { stdout: false }), 'wrong\n');
      const times: number[] = [];
      for await (const line of await agent().containers.logs(
        id,
        { stdout: true, stderr: true, follow: false, tail: 2 },
        AbortSignal.timeout(LONGEST_WAIT),
      )) {
        assert.match(line.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
        times.push(Date.parse(line.timestamp));
      }
      const [late = 0] = times;
      assert.equal(await logOf(id, { since: late }), 'late\nwrong\n');
      assert.equal((await logOf(id, { until: late - 1 })).split('\n').length, 5001);
    });

    it('follows the log of a container until it ends', async () => {
      const { id, containers, attach } = await start('echo one; read x; echo two; echo -n three', {
        OpenStdin: true,
        StdinOnce: true,
      });
      const client = await attach(true);
      await containers.start(id);
      const seen: string[] = [];
      for await (const line of await containers.logs(
        id,
        { stdout: true, stderr: true, follow: true },
        AbortSignal.timeout(LONGEST_WAIT),
      )) {
        seen.push(Buffer.from(line.data).toString('utf8'));
        if (seen.length === 1) await client.write(Buffer.from('x\n'));
      }
      assert.deepEqual(seen, ['one\n', 'two\n', 'three']);
    });

    it('stops following when the client leaves', async () => {
      const { id, containers } = await start('sleep 100');
      await containers.start(id);
      const leaving = new AbortController();
      const lines = await containers.logs(id, { stdout: true, stderr: true, follow: true }, leaving.signal);
      setTimeout(() => leaving.abort(new Error('gone')), 100);
      await assert.rejects(async () => {
        for await (const line of lines) assert.fail(`unexpected ${line.stream}`);
      }, /gone/);
      await containers.remove(id, { force: true, volumes: false });
    });
  });
}

async function nextText(attachment: Attachment): Promise<string> {
  for await (const { data } of attachment.output) return Buffer.from(data).toString('utf8');
  return '';
}
