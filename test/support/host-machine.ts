import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { removeContainers } from './agent-process.ts';
import { type CleanupScope, defer } from './cleanup.ts';
import { AGENT_CACHE } from './compile-cache.ts';
import { type ManagedProcess, startProcess } from './managed-process.ts';
import { type CommandResult, runCommand } from './run-command.ts';
import { makeTempDir } from './temp-dir.ts';

const ROOT = dirname(dirname(import.meta.dirname));

/** Of the namespace of the test, by which machines reach it. */
export const GATEWAY = '10.98.1.254';

const BRIDGE = 'machines0';

/** A machine for an agent: network, mounts and host name of its own, on a cable to the namespace of the test. */
export interface HostMachine {
  readonly name: string;
  readonly address: string;
  /** Runs commands there by a shell that knows `berth-agent`. */
  run(commands: string): Promise<CommandResult>;
  /** Starts a command there that goes on until the end of the scope. */
  start(command: string): ManagedProcess;
  /** The same without the removal of instances at the end: for one agent after another. */
  startBare(command: string): ManagedProcess;
  /** Of its agent's API. */
  readonly socket: string;
  /** The network interface of the test's namespace that leads to it. */
  readonly cable: string;
}

/** Makes a machine; `number` from 1 to 253 gives its address. The test is in a namespace of its own. Needs root. */
export async function startHostMachine(
  scope: CleanupScope,
  name: string,
  number: number,
): Promise<HostMachine> {
  const folder = await makeTempDir(scope, 'machine');
  await mkdir(join(folder, 'bin'));
  await symlink(join(ROOT, 'runtime-agent/cli/berth-agent'), join(folder, 'bin/berth-agent'));
  const address = `10.98.1.${number}`;
  await plugIn();
  const script = [
    `hostname ${name}`,
    'ip link set lo up',
    'mkdir -p /run/berth-agent',
    'mount -t tmpfs tmpfs /run/berth-agent',
    'echo ready',
    'exec sleep infinity',
  ].join(' && ');
  // A session of its own: Ctrl-C is for the program that holds the scope.
  const holder = startProcess(scope, 'setsid', [
    ...['unshare', '--net', '--mount', '--uts', '--', 'sh', '-c', script],
  ]);
  await holder.waitForLine(/^ready$/m);
  const enter = [`--target=${holder.pid}`, '--net', '--mount', '--uts', '--'];
  const cable = `machine${number}`;
  await runCommand('ip', [
    ...['link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(holder.pid)],
  ]);
  await runCommand('ip', ['link', 'set', cable, 'master', BRIDGE, 'up']);
  const socket = join(folder, 'agent.sock');
  const env = {
    ...AGENT_CACHE,
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    BERTH_AGENT_DATA: join(folder, 'data'),
    BERTH_AGENT_SOCKET: socket,
  };
  const there = (commands: string) => runCommand('nsenter', [...enter, 'sh', '-euc', commands], { env });
  await there(
    `ip addr add ${address}/24 dev eth0 && ip link set eth0 up && ip route add default via ${GATEWAY}`,
  );
  // Runs after the agent has ended, which would start its proxy again.
  defer(scope, async () => {
    await there(`for pid in /run/berth-agent/*/ingress/master.pid; do
      [ ! -e "$pid" ] || kill "$(cat "$pid")"
    done`);
  });
  const startBare = (command: string) =>
    startProcess(scope, 'setsid', ['nsenter', ...enter, 'sh', '-euc', `exec ${command}`], { env });
  return {
    name,
    address,
    socket,
    cable,
    run: there,
    startBare,
    start: (command) => {
      const started = startBare(command);
      // Instances outlive an agent, but not a test.
      defer(scope, async () => {
        await there('berth-agent leave || true');
        await removeContainers(socket);
      });
      return started;
    },
  };
}

/** Makes the bridge that machines are plugged in to, unless it is there. */
export async function plugIn(): Promise<void> {
  const { exitCode } = await runCommand('ip', ['link', 'show', BRIDGE], { expectExit: 'any' });
  if (exitCode === 0) return;
  await runCommand('ip', ['link', 'add', BRIDGE, 'type', 'bridge']);
  await runCommand('ip', ['addr', 'add', `${GATEWAY}/24`, 'dev', BRIDGE]);
  await runCommand('ip', ['link', 'set', BRIDGE, 'up']);
}
