import { after, before, describe } from 'node:test';
import { describeIsolation } from '../contract/containers-isolation.ts';
import { describeLifecycle } from '../contract/containers-lifecycle.ts';
import { describeLimits } from '../contract/containers-limits.ts';
import { describeRunning } from '../contract/containers-run.ts';
import { describeStreams } from '../contract/containers-streams.ts';
import { type AgentContainers, openAgentContainers } from '../support/agent-containers.ts';
import { enterAgentNamespace } from '../support/agent-namespace.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterAgentNamespace();

describe('containers run by crun', { skip: unlessRoot() }, () => {
  const steps: (() => Promise<void> | void)[] = [];
  let opened: AgentContainers;
  after(async () => {
    for (const step of steps) await step();
  });
  before(async () => {
    opened = await openAgentContainers({ after: (step) => steps.push(step) }, { runtime: 'crun' });
  });
  const agent = () => opened;
  describeRunning('crun', agent);
  describeStreams('crun', agent);
  describeIsolation('crun', agent);
  describeLimits('crun', agent);
  describeLifecycle('crun', agent);
});
