import { removeMembership } from '../../runtime-agent/fleet/membership.ts';
import { type AgentProcess, startAgent } from './agent-process.ts';
import { type CleanupScope, defer } from './cleanup.ts';
import { imageFolder } from './image-cache.ts';
import { AGENT_PROGRAM } from './programs.ts';
import { runCommand } from './run-command.ts';
import { type FleetRegistry, startFleetRegistry } from './scripted-fleet.ts';
import type { TestImage } from './test-image.ts';
import { makeBigImage } from './test-images.ts';

/** An agent that has joined a scripted registry which has two images. */
export interface FleetHost {
  readonly registry: FleetRegistry;
  readonly agent: AgentProcess;
  readonly images: readonly [TestImage, TestImage];
  /** Runs a command; its exit code does not matter. */
  run(command: string, args: readonly string[]): Promise<{ readonly stdout: string }>;
}

/** The host has the name `web1`. Needs root. */
export async function startFleetHost(
  scope: CleanupScope,
  joinArgs: readonly string[] = [],
): Promise<FleetHost> {
  const folder = await imageFolder(scope);
  const images = [await makeBigImage(folder, 1000, 'one'), await makeBigImage(folder, 1000, 'two')] as const;
  const registry = await startFleetRegistry(scope, ...images);
  const agent = await startAgent(scope);
  const join = ['join', registry.url, registry.token(), '--data', agent.dataDir, '--name', 'web1'];
  await runCommand(process.execPath, [AGENT_PROGRAM, ...join, ...joinArgs]);
  await registry.waitUntilConnected();
  // An agent without a fleet does not start again what the end of the test removes.
  defer(scope, async () => {
    await removeMembership(agent.dataDir);
    await agent.restart();
  });
  return {
    registry,
    agent,
    images,
    run: (command, args) => runCommand('sh', ['-c', '"$@" || true', 'sh', command, ...args]),
  };
}
