import { after, before, describe } from 'node:test';
import { describeControl } from '../contract/containers-control.ts';
import { type AgentContainers, openAgentContainers } from '../support/agent-containers.ts';
import { enterAgentNamespace } from '../support/agent-namespace.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterAgentNamespace();

for (const runtime of ['crun', 'runc'] as const) {
  describe(`control of containers of ${runtime}`, { skip: unlessRoot(), timeout: 900_000 }, () => {
    const steps: (() => Promise<void> | void)[] = [];
    let opened: AgentContainers;
    after(async () => {
      for (const step of steps) await step();
    });
    before(async () => {
      opened = await openAgentContainers({ after: (step) => steps.push(step) }, { runtime });
    });
    describeControl(runtime, () => opened);
  });
}
