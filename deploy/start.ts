import { dirname, join } from 'node:path';
import { nextSteps } from './start/next-steps.ts';
import { type Program, ProgramEndedError, startProgram } from './start/program.ts';

/**
 * `npm start`: the registry, and as root on Linux the agent, until Ctrl-C. Flags after `--` go to `berth serve`;
 * both programs read their BERTH_* variables as always.
 */
const root = dirname(import.meta.dirname);
const running: Program[] = [];

function agentNeeds(): string | undefined {
  if (process.platform !== 'linux') return 'it needs Linux (this is the registry alone)';
  if (process.getuid?.() !== 0) return 'it needs root, for mounts and namespaces (sudo npm start)';
  return undefined;
}

async function stopAll(): Promise<number> {
  for (const program of running) program.stop();
  const codes = await Promise.all(running.map((program) => program.ended));
  return codes.find((code) => code !== 0) ?? 0;
}

try {
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      interrupted = true;
      for (const program of running) program.stop();
    });
  }
  // Terminals show only important messages; `berth serve` alone logs every request.
  process.env.BERTH_LOG_LEVEL ??= 'warn';
  process.env.BERTH_AGENT_LOG_LEVEL ??= 'warn';

  const registry = await startProgram('berth', join(root, 'server/main.ts'), [
    'serve',
    ...process.argv.slice(2),
  ]);
  running.push(registry);
  for (const line of registry.greeting) console.log(line);

  const withoutAgent = agentNeeds();
  let agent: Program | undefined;
  if (withoutAgent === undefined && !interrupted) {
    agent = await startProgram('berth-agent', join(root, 'runtime-agent/main.ts'), ['serve']);
    running.push(agent);
    for (const line of agent.greeting) console.log(line);
  }
  const steps = nextSteps({
    registry: registry.address,
    ...(agent === undefined ? {} : { agent: agent.address }),
    ...(withoutAgent === undefined ? {} : { withoutAgent }),
  });
  console.log(`\n${steps}`);
  if (interrupted) for (const program of running) program.stop();

  const first = await Promise.race(running.map(async (program) => ({ program, code: await program.ended })));
  if (!interrupted) console.error(`${first.program.name} ended with exit code ${first.code}; stopping`);
  process.exitCode = await stopAll();
} catch (error) {
  if (!(error instanceof ProgramEndedError)) throw error;
  for (const line of error.output) console.log(line);
  // A program that ends with 0 has done its task, such as `--help`.
  if (error.exitCode !== 0) console.error(error.message);
  await stopAll();
  process.exitCode = error.exitCode;
}
