import { type AgentProcess, startAgent } from './agent-process.ts';
import type { CleanupScope } from './cleanup.ts';
import { imageFolder } from './image-cache.ts';
import { pushLayout } from './push-layout.ts';
import { type RegistryProcess, startRegistry } from './registry-process.ts';
import { makeBusyboxImage } from './test-images.ts';

export interface AgentWithImage {
  readonly registry: RegistryProcess;
  readonly agent: AgentProcess;
  /** busybox in the registry, pulled. */
  readonly image: string;
}

/** Berth's registry with busybox in it, and an agent that has pulled it. Needs root. */
export async function startAgentWithImage(
  scope: CleanupScope,
  options: { readonly agentArgs?: readonly string[] } = {},
): Promise<AgentWithImage> {
  const registry = await startRegistry(scope);
  const image = `${registry.host}/team/busybox:1`;
  await pushLayout(await makeBusyboxImage(await imageFolder(scope)), image);
  const agent = await startAgent(scope, options.agentArgs === undefined ? {} : { args: options.agentArgs });
  await agent.docker(['pull', '--quiet', image]);
  return { registry, agent, image };
}
