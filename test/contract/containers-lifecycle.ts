import assert from 'node:assert/strict';
import { access } from 'node:fs/promises';
import { describe, it } from 'node:test';
import type { EngineEvent } from '../../runtime-agent/events/event-bus.ts';
import { type AgentContainers, collectOutput, readPid, runContainer } from '../support/agent-containers.ts';
import { containerConfig, hostConfig } from '../support/container-requests.ts';
import { eventually } from '../support/eventually.ts';
import { LONGEST_WAIT } from '../support/longest-wait.ts';

/** Milliseconds after which something has gone wrong, however slow the machine is. */
/** Seconds in which what is told to end does so by itself, however slow the machine is. */
const GRACE = 200;

/** Stopping, waiting, removing, restarting, and what is told of it. */
export function describeLifecycle(name: string, agent: () => AgentContainers): void {
  describe(`${name}: lifecycle`, () => {
    const create = async (script: string, config = {}, host = {}, containerName?: string) => {
      const { containers } = agent();
      const { id } = await containers.create({
        ...(containerName === undefined ? {} : { name: containerName }),
        config: containerConfig(['sh', '-c', script], config),
        hostConfig: hostConfig(host),
      });
      return id;
    };
    const startReady = async (script: string, config = {}, host = {}) => {
      const id = await create(`${script}`, config, host);
      const { containers } = agent();
      const client = await containers.attach(id, { stdin: false, stdout: true, stderr: true });
      await containers.start(id);
      for await (const _ of client.output) break;
      client.close();
      return id;
    };
    const status = async (id: string) => (await agent().containers.get(id)).state;

    it('stops by the stop signal', async () => {
      const { containers } = agent();
      const id = await startReady('trap "exit 43" TERM; echo ready; while :; do sleep 0.05; done');
      await containers.stop(id, { timeout: GRACE });
      assert.deepEqual([(await status(id)).status, (await status(id)).exitCode], ['exited', 43]);
      await assert.rejects(containers.stop(id, {}), { code: 'not-modified' });
    });

    it('stops by the signal of the image or the request', async () => {
      const { containers } = agent();
      const script = 'trap "exit 44" USR1; trap "exit 45" USR2; echo ready; while :; do sleep 0.05; done';
      const byConfig = await startReady(script, { StopSignal: 'SIGUSR1' });
      await containers.stop(byConfig, { timeout: GRACE });
      assert.equal((await status(byConfig)).exitCode, 44);
      const byRequest = await startReady(script, { StopSignal: 'SIGUSR1' });
      await containers.stop(byRequest, { timeout: GRACE, signal: 'USR2' });
      assert.equal((await status(byRequest)).exitCode, 45);
    });

    it('restarts a container with AutoRemove, and removes it after a stop', async () => {
      const { containers } = agent();
      const id = await startReady(
        'trap "exit 1" TERM; echo ready; while :; do sleep 0.05; done',
        {},
        { AutoRemove: true },
      );
      const before = await status(id);
      await containers.restart(id, { timeout: GRACE });
      assert.equal((await status(id)).status, 'running');
      assert.notEqual((await status(id)).pid, before.pid);
      await containers.restart(id, { timeout: 0 });
      await containers.stop(id, { timeout: 0 });
      await assert.rejects(containers.get(id), { code: 'not-found' });
    });

    it('kills after the stop timeout', async () => {
      const { containers } = agent();
      const id = await startReady('trap "" TERM; echo ready; while :; do sleep 0.05; done');
      await containers.stop(id, { timeout: 1 });
      assert.equal((await status(id)).exitCode, 137);
    });

    it('sends signals, and refuses them when nothing runs', async () => {
      const { containers } = agent();
      const id = await startReady('trap "exit 7" HUP; echo ready; while :; do sleep 0.05; done');
      const waiting = await containers.wait(id, 'not-running', AbortSignal.timeout(LONGEST_WAIT));
      await assert.rejects(containers.kill(id, 'NOSUCH'), { code: 'bad-request' });
      await containers.kill(id, 'SIGHUP');
      assert.deepEqual(await waiting.result, { exitCode: 7 });
      await assert.rejects(containers.kill(id, 'KILL'), { code: 'conflict', message: /is not running/ });
    });

    it('removes a starting container only by force', async () => {
      const { containers } = agent();
      const id = await create('sleep 1000');
      const [started, refused] = await Promise.allSettled([
        containers.start(id),
        containers.remove(id, { force: false, volumes: false }),
      ]);
      assert.equal(started.status, 'fulfilled');
      assert.deepEqual(refused.status === 'rejected' && refused.reason.code, 'conflict');
      assert.equal((await status(id)).status, 'running');
      await containers.remove(id, { force: true, volumes: false });

      const other = await create('sleep 1000');
      const starting = containers.start(other);
      const removing = containers.remove(other, { force: true, volumes: false });
      await starting;
      const { pid } = await status(other).catch(() => ({ pid: 0 }));
      await removing;
      await assert.rejects(containers.get(other), { code: 'not-found' });
      if (pid !== 0) await assert.rejects(access(`/proc/${pid}`), { code: 'ENOENT' });
    });

    it('refuses to start a running container, and to remove it without force', async () => {
      const { containers } = agent();
      const id = await startReady('echo ready; sleep 100');
      const pid = await readPid(agent(), id);
      await assert.rejects(containers.start(id), { code: 'not-modified' });
      await assert.rejects(containers.remove(id, { force: false, volumes: false }), {
        code: 'conflict',
        message: /cannot remove container "\/.*": container is running: stop the container/,
      });
      assert.equal((await status(id)).status, 'running');
      await containers.remove(id, { force: true, volumes: false });
      await assert.rejects(containers.get(id), { code: 'not-found' });
      assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    });

    it('answers waiters by their conditions', async () => {
      const { containers } = agent();
      const id = await create('exit 9');
      const now = await containers.wait(id, 'not-running', AbortSignal.timeout(LONGEST_WAIT));
      assert.deepEqual(await now.result, { exitCode: 0 });
      const next = await containers.wait(id, 'next-exit', AbortSignal.timeout(LONGEST_WAIT));
      const removed = await containers.wait(id, 'removed', AbortSignal.timeout(LONGEST_WAIT));
      const leaving = new AbortController();
      const left = await containers.wait(id, 'removed', leaving.signal);
      leaving.abort(new Error('gone'));
      await assert.rejects(left.result, /gone/);
      await containers.start(id);
      assert.deepEqual(await next.result, { exitCode: 9 });
      let isRemoved = false;
      void removed.result.then(() => {
        isRemoved = true;
      });
      const later = await containers.wait(id, 'not-running', AbortSignal.timeout(LONGEST_WAIT));
      assert.deepEqual(await later.result, { exitCode: 9 });
      assert.equal(isRemoved, false);
      await containers.remove(id, { force: false, volumes: false });
      assert.deepEqual(await removed.result, { exitCode: 9 });
    });

    it('finds containers by name, ID and prefix, and keeps names unique', async () => {
      const { containers } = agent();
      const id = await create('true', {}, {}, 'wanted-name');
      for (const ref of ['wanted-name', '/wanted-name', id, id.slice(0, 12)]) {
        assert.equal((await containers.get(ref)).id, id);
      }
      await assert.rejects(create('true', {}, {}, '/wanted-name'), {
        code: 'conflict',
        message: new RegExp(
          `^Conflict. The container name "/wanted-name" is already in use by container "${id}"`,
        ),
      });
      await assert.rejects(create('true', {}, {}, 'not ok'), { code: 'bad-request' });
      await assert.rejects(containers.get('no-such-one'), {
        code: 'not-found',
        message: 'No such container: no-such-one',
      });
      await containers.remove('wanted-name', { force: false, volumes: false });
      await containers.remove(await create('true', {}, {}, 'wanted-name'), { force: false, volumes: false });
    });

    it('publishes events in order, with image, name and labels', async () => {
      const { containers, events } = agent();
      const seen: EngineEvent[] = [];
      const unsubscribe = events.subscribe((event) => seen.push(event));
      const id = await create(
        'trap "" TERM; echo ready; while :; do sleep 0.05; done',
        { Labels: { team: 'blue' } },
        {},
        'told',
      );
      const client = await containers.attach(id, { stdin: false, stdout: true, stderr: true });
      await containers.start(id);
      for await (const _ of client.output) break;
      client.close();
      await containers.stop(id, { timeout: 0 });
      await containers.remove(id, { force: false, volumes: false });
      unsubscribe();
      const own = seen.filter((event) => event.id === id);
      assert.deepEqual(
        own.map(({ action, attributes }) => [action, attributes.signal ?? attributes.exitCode]),
        [
          ['create', undefined],
          ['attach', undefined],
          ['start', undefined],
          ['kill', '15'],
          ['kill', '9'],
          ['stop', undefined],
          ['die', '137'],
          ['destroy', undefined],
        ],
      );
      for (const { attributes } of own) {
        assert.deepEqual(
          [attributes.image, attributes.name, attributes.team],
          ['busybox:test', 'told', 'blue'],
        );
      }
      assert.match(own.find((event) => event.action === 'die')?.attributes.execDuration ?? '', /^\d+$/);
    });

    it('delivers the last output, then answers wait, then stop, then publishes die', async () => {
      const { containers, events } = agent();
      const order: string[] = [];
      const id = await create('trap "seq 1 2000; exit 4" TERM; echo ready; while :; do sleep 0.05; done');
      const unsubscribe = events.subscribe(({ id: about, action }) => {
        if (about === id && ['stop', 'die'].includes(action)) order.push(action);
      });
      const client = await containers.attach(id, { stdin: false, stdout: true, stderr: true });
      await containers.start(id);
      const iterator = client.output[Symbol.asyncIterator]();
      await iterator.next();
      const { result } = await containers.wait(id, 'next-exit', AbortSignal.timeout(LONGEST_WAIT));
      const output = (async () => {
        for (let read = await iterator.next(); !read.done; read = await iterator.next());
        order.push('output');
      })();
      const waited = result.then(({ exitCode }) => order.push(`wait ${exitCode}`));
      await containers.stop(id, { timeout: GRACE });
      order.push('stopped');
      await Promise.all([output, waited]);
      await eventually('the end is told', async () => order.includes('die') || undefined);
      unsubscribe();
      assert.ok(order.indexOf('output') < order.indexOf('stop'), `the output came late: ${order}`);
      const rest = order.filter((what) => what !== 'output');
      assert.deepEqual(rest, ['wait 4', 'stop', 'stopped', 'die']);
      await containers.remove(id, { force: false, volumes: false });
    });

    it('restarts a failing container up to its limit', async () => {
      const { containers } = agent();
      const id = await create(
        'echo run >> /runs; exit 3',
        {},
        {
          RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 },
        },
      );
      await containers.start(id);
      await eventually('the container gives up', async () =>
        (await status(id)).status === 'exited' ? true : undefined,
      );
      const { upper } = await agent()
        .overlays.mount(id, [])
        .catch(() => ({ upper: '' }));
      assert.notEqual(upper, undefined);
      assert.equal((await status(id)).exitCode, 3);
      await containers.remove(id, { force: true, volumes: false });
    });

    it('does not start again what was stopped', async () => {
      const { containers } = agent();
      const id = await create('exit 0', {}, { RestartPolicy: { Name: 'always', MaximumRetryCount: 0 } });
      await containers.start(id);
      await eventually('it has been restarted twice', async () => {
        return (await status(id)).restartCount >= 2 ? true : undefined;
      });
      await containers.stop(id, {}).catch((error) => assert.equal(error.code, 'not-modified'));
      assert.equal((await status(id)).status, 'exited');
      await containers.remove(id, { force: true, volumes: false });
    });

    it('ends restarts by kill', async () => {
      const { containers } = agent();
      const policy = { RestartPolicy: { Name: 'always', MaximumRetryCount: 0 } };
      const id = await create('exit 1', {}, policy);
      await containers.start(id);
      await eventually('it waits for a restart', async () =>
        (await status(id)).status === 'restarting' ? true : undefined,
      );
      await eventually('it is killed between two runs', async () => {
        await containers.kill(id, 'KILL').catch((error) => assert.equal(error.code, 'conflict'));
        return (await status(id)).status === 'exited' ? true : undefined;
      });
      await containers.remove(id, { force: false, volumes: false });
    });

    it('tells a client that attaches late of nothing but the next run', async () => {
      const { containers } = agent();
      const { id } = await runContainer(agent(), ['echo', 'again']);
      const client = await containers.attach(id, { stdin: false, stdout: true, stderr: true });
      await containers.start(id);
      assert.equal((await collectOutput(client)).stdout, 'again\n');
    });

    it('ends the output of clients of a container that is removed before it starts', async () => {
      const { containers } = agent();
      const id = await create('true');
      const client = await containers.attach(id, { stdin: false, stdout: true, stderr: true });
      await containers.remove(id, { force: false, volumes: false });
      assert.deepEqual(await collectOutput(client), { stdout: '', stderr: '' });
    });
  });
}
