import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EngineError } from '../../runtime-agent/errors.ts';
import { type AgentContainers, collectOutput, runContainer } from '../support/agent-containers.ts';
import { containerConfig, hostConfig } from '../support/container-requests.ts';
import { LONGEST_WAIT } from '../support/longest-wait.ts';

/** Running a command to its end: exit codes, errors, environment, users. */
export function describeRunning(name: string, agent: () => AgentContainers): void {
  describe(`${name}: running`, () => {
    const sh = (script: string, changes = {}) => runContainer(agent(), ['sh', '-c', script], changes);

    for (const code of [0, 3, 125, 126, 127]) {
      it(`answers exit code ${code}`, async () => {
        const { exitCode, stdout, stderr } = await sh(`echo out; echo err >&2; exit ${code}`);
        assert.deepEqual({ exitCode, stdout, stderr }, { exitCode: code, stdout: 'out\n', stderr: 'err\n' });
      });
    }

    it('returns 128 plus the number of the signal that ended it', async () => {
      const { exitCode } = await sh(
        'trap "" TERM; kill -KILL $$; sleep 20 & kill -KILL $!; wait $!; exit $?',
      );
      assert.equal(exitCode, 137);
    });

    const failures: readonly (readonly [string, string, number, RegExp])[] = [
      [
        'a name that no folder of PATH has',
        'nosuch',
        127,
        /exec: "nosuch": executable file not found in \$PATH/,
      ],
      [
        'a path that is not there',
        '/nosuch',
        127,
        /exec: "\/nosuch": stat \/nosuch: no such file or directory/,
      ],
      ['a folder', '/etc', 126, /exec: "\/etc": .*permission denied/],
      ['a file that is not executable', '/etc/passwd', 126, /exec: "\/etc\/passwd": permission denied/],
    ];
    for (const [what, command, code, message] of failures) {
      it(`refuses ${what} at start, tells waiters ${code}, and keeps the error`, async () => {
        const { containers } = agent();
        const { id } = await containers.create({
          config: containerConfig([command]),
          hostConfig: hostConfig(),
        });
        const attachment = await containers.attach(id, { stdin: false, stdout: true, stderr: true });
        const waiting = await containers.wait(id, 'next-exit', AbortSignal.timeout(LONGEST_WAIT));
        await assert.rejects(containers.start(id), (error) => {
          assert.ok(error instanceof EngineError);
          assert.equal(error.code, 'bad-request');
          assert.match(error.message, message);
          assert.match(error.message, /^failed to create task for container: .*OCI runtime create failed: /);
          return true;
        });
        assert.deepEqual(await waiting.result, { exitCode: code });
        assert.deepEqual(await collectOutput(attachment), { stdout: '', stderr: '' });
        const { state } = await containers.get(id);
        assert.equal(state.status, 'exited');
        assert.equal(state.exitCode, code);
        assert.match(state.error, message);
        assert.equal(
          (await containers.wait(id, 'not-running', AbortSignal.timeout(LONGEST_WAIT))).result instanceof
            Promise,
          true,
        );
      });
    }

    it('gives the domain name that was asked for', async () => {
      const { stdout } = await sh('cat /proc/sys/kernel/domainname', {
        config: { Domainname: 'example.org' },
      });
      assert.equal(stdout, 'example.org\n');
    });

    it('removes a container with AutoRemove whose start failed', async () => {
      const { containers } = agent();
      const { id } = await containers.create({
        config: containerConfig(['nosuch']),
        hostConfig: hostConfig({ AutoRemove: true }),
      });
      const waiting = await containers.wait(id, 'removed', AbortSignal.timeout(LONGEST_WAIT));
      await assert.rejects(containers.start(id), { code: 'bad-request' });
      assert.deepEqual(await waiting.result, { exitCode: 127 });
      await assert.rejects(containers.get(id), { code: 'not-found', message: `No such container: ${id}` });
    });

    it('removes a container with AutoRemove before it reports the end', async () => {
      const { id, exitCode } = await sh('exit 5', { host: { AutoRemove: true } });
      assert.equal(exitCode, 5);
      await assert.rejects(agent().containers.get(id), { code: 'not-found' });
    });

    it('starts a container again with the files that it wrote', async () => {
      const { containers } = agent();
      const { id } = await sh('echo x >> /count; wc -l < /count');
      const attachment = await containers.attach(id, { stdin: false, stdout: true, stderr: true });
      await containers.start(id);
      assert.equal((await collectOutput(attachment)).stdout, '2\n');
    });

    it('gives the environment, folder, hostname and arguments that were asked for', async () => {
      const { stdout } = await runContainer(
        agent(),
        ['-c', 'echo "$A|$B|$PATH|$HOSTNAME|$HOME|$(pwd)|$(hostname)|$0|$1"', 'zero', 'a b "c"'],
        {
          config: {
            Entrypoint: ['/bin/sh'],
            Env: ['A=1', 'B=x y=z'],
            Hostname: 'ship',
            WorkingDir: '/made/for/it',
          },
        },
      );
      assert.equal(
        stdout,
        '1|x y=z|/usr/sbin:/usr/bin:/sbin:/bin|ship|/root|/made/for/it|ship|zero|a b "c"\n',
      );
    });

    it('takes users and groups from the image', async () => {
      const ids = async (user: string, groups: readonly string[] = []) =>
        (
          await runContainer(agent(), ['id'], { config: { User: user }, host: { GroupAdd: groups } })
        ).stdout.trim();
      assert.equal(await ids('sailor'), 'uid=1000(sailor) gid=1000(sailor) groups=1000(sailor),2000(crew)');
      assert.equal(await ids('1000:10'), 'uid=1000(sailor) gid=10(wheel) groups=10(wheel)');
      assert.equal(await ids('4321:8765', ['crew']), 'uid=4321 gid=8765 groups=2000(crew),8765');
      await assert.rejects(ids('nobody-here'), { message: /unable to find user nobody-here/ });
    });

    it('passes its input to the process and closes it', async () => {
      const { stdout, exitCode } = await sh('cat; echo end; exit 4', { input: 'one\ntwo' });
      assert.equal(stdout, 'one\ntwoend\n');
      assert.equal(exitCode, 4);
    });

    it('runs the command under an init program', async () => {
      const { stdout } = await sh('cat /proc/1/comm; ps -o pid,comm | grep " sh"', { host: { Init: true } });
      assert.match(stdout, /^docker-init\n +\d+ sh\n/);
    });

    it('refuses containers that cannot be made, and makes none', async () => {
      const { containers } = agent();
      const before = (await containers.list()).length;
      const refuse = (config: object, host: object, expected: object) =>
        assert.rejects(
          containers.create({
            config: { ...containerConfig(['true']), ...config },
            hostConfig: hostConfig(host),
          }),
          expected,
        );
      await refuse(
        { Image: 'no/such:image' },
        {},
        { code: 'not-found', message: 'No such image: no/such:image' },
      );
      await refuse({}, { Memory: 4 << 20 }, { code: 'bad-request', message: /6MB/ });
      await refuse({}, { SecurityOpt: ['seccomp={}'] }, { code: 'bad-request' });
      await refuse({}, { CapAdd: ['NOSUCH'] }, { code: 'bad-request' });
      await refuse({}, { Sysctls: { 'vm.swappiness': '1' } }, { code: 'bad-request' });
      await refuse({ WorkingDir: 'relative' }, {}, { code: 'bad-request' });
      assert.equal((await containers.list()).length, before);
    });
  });
}
