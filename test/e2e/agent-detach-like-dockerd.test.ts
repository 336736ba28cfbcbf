import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { besideDockerd } from '../support/beside-dockerd.ts';
import type { Docker } from '../support/docker-cli.ts';
import { startDockerd } from '../support/dockerd.ts';
import { openTerminal } from '../support/open-terminal.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

type Daemon = Pick<Docker, 'docker' | 'host'>;

describe('leaving and restarting, beside dockerd', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const dockerd = await startDockerd({ after });
  await dockerd.docker(['pull', '--quiet', image]);
  const { same } = besideDockerd(agent, dockerd);

  /** The container's events since then; dockerd tells of a stop before or after the end that it causes. */
  const eventsOf = async ({ docker }: Daemon, name: string, since: number) => {
    const until = Math.ceil(Date.now() / 1000) + 1;
    const { stdout } = await docker([
      ...['events', '--since', `${since}`, '--until', `${until}`],
      ...['--filter', `container=${name}`, '--format', '{{.Action}} {{.Actor.Attributes.exitCode}}'],
    ]);
    const ordered = stdout.replace(/^stop.*\n(die .*\n)/gm, '$1stop <no value>\n');
    return ordered.split('\n').filter(Boolean);
  };

  /** Both tell the same events in the end; who has gone may be told of later. */
  const tellAlike = async (
    name: string,
    since: number,
    told: (events: readonly string[]) => readonly string[],
  ) => {
    await untilPasses(async () => {
      const [ours = [], theirs = []] = await Promise.all(
        [agent, dockerd].map((daemon) => eventsOf(daemon, name, since)),
      );
      assert.deepEqual(told(ours), told(theirs));
    });
  };

  /** What somebody sees who types at a shell in a container, leaves by `keys`, and looks whether it goes on. */
  const leave = async ({ docker, host }: Daemon, name: string, command: string, keys: string) => {
    const terminal = openTerminal({ after }, `docker -H ${host} ${command}`);
    // The shell may have printed its prompt before the client came.
    terminal.type('\recho $((40+2))\r');
    await terminal.until(/\r\n42\r\n/);
    terminal.type(keys);
    const { exitCode } = await terminal.ended;
    const state = (await docker(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name])).stdout;
    return { exitCode, state };
  };
  const processesOf = async ({ docker }: Daemon, name: string) =>
    (await docker(['top', name, '-o', 'pid,comm'])).stdout.replace(/\d+ +/g, 'PID ');
  const leavesAlike = async (name: string, command: string, keys: string) => {
    const [ours, theirs] = await Promise.all(
      [agent, dockerd].map((daemon) => leave(daemon, name, command, keys)),
    );
    assert.deepEqual(ours, theirs);
    assert.equal(ours?.state, 'running 0\n');
    // A shell whose terminal was left may need a moment for its end.
    await untilPasses(async () => {
      assert.equal(await processesOf(agent, name), await processesOf(dockerd, name));
    });
  };

  test('run, attach and exec at a terminal are left by their detach keys', async () => {
    const since = Math.floor(Date.now() / 1000);
    await leavesAlike(
      'left',
      `run -it --network=none --name left --detach-keys ctrl-a,x ${image} sh`,
      '\x01x',
    );
    await leavesAlike('left', 'attach left', '\x10\x11');
    await leavesAlike('left', 'attach --detach-keys a,ctrl-b left', 'a\x02');
    await leavesAlike('left', 'exec -it --detach-keys ctrl-e,e left sh', '\x05e');
    await leavesAlike('left', 'exec -it left sh', '\x10\x11');
    const told = (events: readonly string[]) => events.filter((action) => !/^(resize|top)/.test(action));
    await tellAlike('left', since, told);
    await same(
      ['attach', '--detach-keys', 'ctrl-1', 'left'],
      ['exec', '--detach-keys', 'nosuch', '-it', 'left', 'true'],
      ['rm', '-f', 'left'],
    );
  });

  test('start -ai is left by detach keys, and keys that are typed in part reach the shell', async () => {
    await same(['create', '-it', '--network=none', '--name', 'typed', image, 'sh']);
    await leavesAlike('typed', 'start -ai --detach-keys ctrl-a,x typed', '\x01x');
    const typeInPart = async ({ host }: Daemon) => {
      const terminal = openTerminal({ after }, `docker -H ${host} attach --detach-keys b,b,b typed`);
      terminal.type('\recho bbc $((4+3))\r');
      await terminal.until(/\r\nbbc 7\r\n/);
      terminal.type('exit 5\r');
      return (await terminal.ended).exitCode;
    };
    assert.deepEqual(await Promise.all([agent, dockerd].map(typeInPart)), [5, 5]);
    await same(['ps', '-a', '--format', '{{.Names}} {{.Status}}'], ['rm', 'typed']);
  });

  test('docker restart', async () => {
    const script =
      'trap "echo term; exit 4" TERM; trap "echo usr; exit 5" USR1; echo up; while :; do sleep 0.1; done';
    const since = Math.floor(Date.now() / 1000);
    const ready = (times: number) =>
      Promise.all(
        [agent, dockerd].map(({ docker }) =>
          waitUntil(
            'the script is up',
            async () => (await docker(['logs', 'anew'])).stdout.split('up\n').length === times + 1,
          ),
        ),
      );
    const shown = ['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}', 'anew'];
    await same(['run', '-d', '--network=none', '--name', 'anew', image, 'sh', '-c', script]);
    await ready(1);
    await same(['restart', '--time', '120', 'anew'], shown);
    await ready(2);
    // A process with the number 1 does not hear a signal that it has no trap for.
    await same(['restart', '--signal', 'USR2', '--time', '0', 'anew'], shown);
    await ready(3);
    await same(['restart', '--signal', 'USR1', '--time', '120', 'anew'], shown);
    await ready(4);
    await same(['pause', 'anew'], ['restart', '-t', '120', 'anew'], shown);
    await ready(5);
    await same(['stop', '--time', '120', 'anew'], ['restart', 'anew'], shown);
    await ready(6);
    await same(
      ['logs', 'anew'],
      ['restart', 'nosuch', 'anew'],
      ['restart', '--signal', 'NOSUCH', 'anew'],
      ['stop', '--signal', 'NOSUCH', 'anew'],
      ['kill', '--signal', 'NOSUCH', 'anew'],
      ['kill', 'anew'],
      ['wait', 'anew'],
    );
    await tellAlike('anew', since, (events) => events);
    await same(['rm', 'anew']);
  });

  test('system df -v', async () => {
    const { sameBut } = besideDockerd(agent, dockerd);
    const write = 'head -c 12345 /dev/zero > /written; head -c 5000 /dev/zero > /vol/file';
    await same(
      ['tag', image, 'second:1'],
      ['volume', 'create', 'counted'],
      ['run', '--network=none', '--name', 'counted', '-v', 'counted:/vol', image, 'sh', '-c', write],
      ['create', '--name', 'idle', image, 'true'],
    );
    await sameBut(
      [{ reason: 'columns are as wide as the durations in them', pattern: / +/g, by: ' ' }],
      ['system', 'df', '-v'],
      [
        'system',
        'df',
        '-v',
        '--format',
        '{{range .Images}}{{.Size}} {{.SharedSize}} {{.UniqueSize}} {{.Containers}}\n{{end}}{{range .Containers}}{{.Names}} {{.Size}} {{.LocalVolumes}} {{.Status}}\n{{end}}{{range .Volumes}}{{.Name}} {{.Links}}\n{{end}}{{len .BuildCache}}',
      ],
      ['rm', '-v', 'counted', 'idle'],
      ['volume', 'rm', 'counted'],
      ['rmi', 'second:1'],
    );
  });
});
