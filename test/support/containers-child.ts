import { createInterface } from 'node:readline';
import type { HostConfig } from '../../runtime-agent/containers/host-config.ts';
import { type AgentContainers, openAgentContainers } from './agent-containers.ts';
import { containerConfig, hostConfig } from './container-requests.ts';

/*
 * Runs an agent's containers in a process of its own, which the test kills: `node containers-child.ts FOLDER RUNTIME [PROGRAM]`. It takes one
 * JSON command a line and answers each with one line.
 */

/** The commands of the child. */
export type ChildCommand =
  | {
      readonly do: 'start';
      readonly name: string;
      readonly script: string;
      readonly host?: Partial<HostConfig>;
    }
  | { readonly do: 'begin-start'; readonly name: string; readonly script: string };

async function obey({ containers }: AgentContainers, command: ChildCommand): Promise<string> {
  const { id } = await containers.create({
    name: command.name,
    config: containerConfig(['sh', '-c', command.script]),
    hostConfig: hostConfig(command.do === 'start' ? command.host : {}),
  });
  const started = containers.start(id);
  if (command.do === 'start') await started;
  else started.catch(() => undefined);
  return id;
}

const [dataDirectory = '', runtime = 'runc', runtimePath] = process.argv.slice(2);
const agent = await openAgentContainers(
  { after: () => undefined },
  {
    dataDirectory,
    runtime: runtime === 'crun' ? 'crun' : 'runc',
    ...(runtimePath === undefined ? {} : { runtimePath }),
  },
);
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  console.log(await obey(agent, JSON.parse(line) as ChildCommand));
}
