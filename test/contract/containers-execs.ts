import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ExecRequest, TerminalSize } from '../../runtime-agent/containers/exec/execs.ts';
import { type AgentContainers, collectOutput } from '../support/agent-containers.ts';
import { containerConfig, hostConfig } from '../support/container-requests.ts';
import { processesOf } from '../support/processes-of.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Further commands in a container. */
export function describeExecs(name: string, agent: () => AgentContainers): void {
  describe(`${name}: execs`, () => {
    const open = async () => {
      const { containers } = agent();
      const { id } = await containers.create({
        config: containerConfig(['sleep', '10000']),
        hostConfig: hostConfig(),
      });
      await containers.start(id);
      return { id, containers, execs: containers.execs };
    };
    const request = (cmd: readonly string[], changes: Partial<ExecRequest> = {}): ExecRequest => ({
      ...{ cmd, user: '', env: [], workingDir: '', tty: false, privileged: false, detachKeys: '' },
      ...{ attachStdin: false, attachStdout: true, attachStderr: true },
      ...changes,
    });
    const never = new AbortController().signal;
    const begin = async (exec: string, options: { readonly size?: TerminalSize } = {}) =>
      (await agent().containers.execs.start(exec, options)).attachment;

    it('gives output, input and exit code', async () => {
      const { id, execs, containers } = await open();
      const exec = await execs.create(
        id,
        request(['sh', '-c', 'wc -c; echo err >&2; exit 7'], { attachStdin: true }),
      );
      const client = await begin(exec);
      await client.write(Buffer.alloc(1 << 20, 'x'));
      client.endInput();
      assert.deepEqual(await collectOutput(client), { stdout: '1048576\n', stderr: 'err\n' });
      const { exitCode, running, pid } = await execs.get(exec);
      assert.deepEqual([exitCode, running, pid], [7, false, 0]);
      await assert.rejects(execs.start(exec, {}), { code: 'conflict' });
      await containers.remove(id, { force: true, volumes: false });
    });

    it('says as output why a command cannot run, and ends with 126', async () => {
      const { id, execs, containers } = await open();
      for (const [changes, words] of [
        [request(['nosuch']), /exec: "nosuch": executable file not found in \$PATH/],
        [request(['nosuch'], { tty: true }), /exec: "nosuch": executable file not found in \$PATH/],
        [request(['/etc/passwd']), /exec: "\/etc\/passwd": permission denied/],
        [
          request(['pwd'], { workingDir: '/nosuch' }),
          /chdir to cwd \("\/nosuch"\).*no such file or directory/,
        ],
        [request(['pwd'], { user: 'nosuch' }), /unable to find user nosuch/],
      ] as const) {
        const exec = await execs.create(id, changes);
        const { stdout, stderr } = await collectOutput(await begin(exec));
        assert.match(stdout, words);
        assert.equal(stderr, '');
        assert.equal((await execs.get(exec)).exitCode, 126);
      }
      const detached = await execs.create(id, request(['nosuch']));
      await assert.rejects(execs.startDetached(detached, {}), { code: 'bad-request' });
      await containers.remove(id, { force: true, volumes: false });
    });

    it('runs at a terminal that has the size it is given', async () => {
      const { id, execs, containers } = await open();
      // The size may come a moment after the process.
      const sized = (size: string) => `until stty size 2>/dev/null | grep "${size}"; do sleep 0.02; done`;
      const script = `${sized('33 77')}; read x; ${sized('44 88')}; test -t 1 && echo terminal; exit 3`;
      const exec = await execs.create(id, request(['sh', '-c', script], { tty: true, attachStdin: true }));
      const client = await begin(exec, { size: { rows: 33, columns: 77 } });
      let text = '';
      const reading = (async () => {
        for await (const { data } of client.output) text += Buffer.from(data).toString();
      })();
      await waitUntil('the first size is told', () => text.includes('\n'));
      await execs.resize(exec, { rows: 44, columns: 88 });
      await client.write(Buffer.from('\r'));
      await reading;
      assert.equal(text.replace(/^\r\n/m, ''), '33 77\r\n44 88\r\nterminal\r\n');
      assert.equal((await execs.get(exec)).exitCode, 3);
      await assert.rejects(execs.resize(exec, { rows: 1, columns: 1 }), { code: 'conflict' });
      const early = await execs.create(id, request(['sh', '-c', sized('20 30')], { tty: true }));
      await execs.resize(early, { rows: 20, columns: 30 });
      const { stdout } = await collectOutput(await begin(early, { size: { rows: 1, columns: 1 } }));
      assert.match(stdout, /^20 30/m);
      await containers.remove(id, { force: true, volumes: false });
    });

    it('sees the size of its terminal from its first instruction', async () => {
      const { id, execs, containers } = await open();
      for (let run = 0; run < 100; run += 1) {
        const exec = await execs.create(id, request(['stty', 'size'], { tty: true }));
        const client = await begin(exec, { size: { rows: 33, columns: 77 } });
        assert.equal((await collectOutput(client)).stdout, '33 77\r\n', `run ${run}`);
      }
      await containers.remove(id, { force: true, volumes: false });
    });

    it('runs commands to their end for the agent itself', async () => {
      const { id, execs, containers } = await open();
      const run = (cmd: readonly string[], more = {}) => execs.run(id, { cmd, ...more }, never);
      // Two pipes: which of them is read first is not told.
      const { output: both, ...ended } = await run(['sh', '-c', 'echo out; echo err >&2; exit 3']);
      assert.deepEqual(ended, { exitCode: 3, timedOut: false });
      assert.deepEqual(both.split('\n').sort(), ['', 'err', 'out']);
      const { output } = await run(['seq', '100000'], { maxOutput: 10 });
      assert.equal(output, '1\n2\n3\n4\n5\n');
      assert.deepEqual(
        (await run(['sh', '-c', 'echo $A; id -u'], { env: ['A=b'], user: 'sailor' })).output,
        'b\n1000\n',
      );
      const missing = await run(['nosuch']);
      assert.deepEqual([missing.exitCode, missing.timedOut], [126, false]);
      assert.match(missing.output, /executable file not found/);
      const late = await run(['sleep', '7777'], { timeout: 300 });
      assert.deepEqual([late.timedOut, late.output], [true, '']);
      const leaving = new AbortController();
      const aborted = execs.run(id, { cmd: ['sleep', '7777'] }, leaving.signal);
      await waitUntil('it runs', async () => (await processesOf(id)).includes('sleep 7777'));
      leaving.abort(new Error('enough'));
      await assert.rejects(aborted, /enough/);
      await waitUntil('both have ended', async () => (await processesOf(id)).length === 1);
      await containers.remove(id, { force: true, volumes: false });
    });

    it('ends execs with their container, and refuses them where none runs', async () => {
      const { id, execs, containers } = await open();
      const client = await begin(await execs.create(id, request(['sleep', '7777'])));
      const waiting = await execs.create(id, request(['true']));
      assert.equal(execs.listIds(id).length, 2);
      await containers.kill(id, 'KILL');
      await collectOutput(client);
      await assert.rejects(execs.create(id, request(['true'])), { code: 'conflict' });
      await assert.rejects(execs.start(waiting, {}), { code: 'conflict' });
      await containers.remove(id, { force: true, volumes: false });
      await assert.rejects(execs.get(waiting), { code: 'not-found' });
      await assert.rejects(execs.create(id, request(['true'])), { code: 'not-found' });
    });

    it('ends those with streams when the agent stops, and none other', async () => {
      const { id, execs, containers } = await open();
      await begin(await execs.create(id, request(['sleep', '7777'])));
      await execs.startDetached(await execs.create(id, request(['sleep', '8888'])), {});
      await execs.close();
      await waitUntil('the others go on', async () => {
        return (await processesOf(id)).join() === 'sleep 10000,sleep 8888';
      });
      await containers.remove(id, { force: true, volumes: false });
    });
  });
}
