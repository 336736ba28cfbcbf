import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { startAgent } from '../support/agent-process.ts';
import { type CleanupScope, withCleanup } from '../support/cleanup.ts';
import { imageFolder } from '../support/image-cache.ts';
import type { ManagedProcess } from '../support/managed-process.ts';
import { pushLayout } from '../support/push-layout.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { importCycles } from './arrows.ts';
import { type Import, readImports } from './imports.ts';

/*
 * Prints figures about the sources: cycles of imports, and small files. With --passes, which needs root, also the files that
 * three operations pass through: it starts both programs under the inspector and counts the files with a called function.
 * With --passes --names it names them too, with their lines.
 */

const root = dirname(dirname(import.meta.dirname));
/** Runs a program under the inspector, on a port of loopback that the system chooses. */
const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

const { values } = parseArgs({
  options: { passes: { type: 'boolean', default: false }, names: { type: 'boolean', default: false } },
});
printSources();
if (values.passes) await withCleanup(printPasses);

function printSources(): void {
  const imports = readImports(root).filter(({ file }) => !/^(?:test|deploy)\//.test(file));
  const cycles = importCycles(imports);
  const local = imports.filter(({ target }) => target.endsWith('.ts'));
  const files = [...new Set(local.flatMap(({ file, target }) => [file, target]))];
  const lines = new Map(files.map((file) => [file, linesOf(file)]));
  const under = (limit: number) => files.filter((file) => (lines.get(file) ?? 0) < limit);
  console.log(`cycles of imports to depth 2: ${cycles.filter(({ level }) => !level.includes('/')).length}`);
  console.log(`cycles of imports at any depth: ${cycles.length}`);
  console.log(`files under 25 lines: ${under(25).length}`);
  console.log(
    `files under 60 lines with one importer, in their own folder: ${under(60).filter((file) => hasOneNeighbour(file, local)).length}`,
  );
}

function linesOf(file: string): number {
  return readFileSync(join(root, file), 'utf8').split('\n').length - 1;
}

function hasOneNeighbour(file: string, imports: readonly Import[]): boolean {
  const importers = new Set(imports.flatMap((edge) => (edge.target === file ? [edge.file] : [])));
  const [only = ''] = importers;
  return importers.size === 1 && dirname(only) === dirname(file);
}

async function printPasses(scope: CleanupScope): Promise<void> {
  const registry = await startRegistry(scope, { env: INSPECTED });
  const image = `${registry.host}/figures/busybox:1`;
  await pushLayout(await makeBusyboxImage(await imageFolder(scope)), image);
  const agent = await startAgent(scope, {
    enter: ['env', ...Object.entries(INSPECTED).map((entry) => entry.join('='))],
  });
  const inspectors = {
    agent: await connectInspector(scope, agent.process()),
    registry: await connectInspector(scope, registry.process()),
  };
  const count = async (what: string, operation: () => Promise<unknown>) => {
    await inspectors.agent.calledFiles();
    await inspectors.registry.calledFiles();
    await operation();
    const inAgent = await inspectors.agent.calledFiles();
    const inRegistry = await inspectors.registry.calledFiles();
    console.log(`${what}: ${inAgent.length} files of the agent, ${inRegistry.length} of the registry`);
    if (!values.names) return;
    for (const file of inAgent) console.log(`  agent ${linesOf(file)} ${file}`);
    for (const file of inRegistry) console.log(`  registry ${linesOf(file)} ${file}`);
  };
  const pull = () => agent.docker(['pull', '--quiet', image]);
  await pull();
  await agent.docker(['rmi', image]);
  await count('docker pull', pull);

  const run = () => agent.docker(['run', '--rm', image, 'true']);
  await run();
  await count('docker run', run);

  const client = createRegistryClient(registry.url);
  const { manifest } = await client.pushImage('figures/manifest', 'warm-up');
  await count('PUT of a manifest', () => client.pushManifest('figures/manifest', 'counted', manifest));
}

interface Inspector {
  /** Returns the files of the project that have run a function since the last call, in the main thread, sorted by path. */
  calledFiles(): Promise<readonly string[]>;
}

/** Connects to a program that runs under the inspector, and starts to count calls (Chrome DevTools Protocol, Profiler). */
async function connectInspector(scope: CleanupScope, program: ManagedProcess): Promise<Inspector> {
  // The agent replaces itself once, and listens again.
  const address = [...program.output().matchAll(/Debugger listening on (ws:\S+)/g)].at(-1)?.[1];
  if (address === undefined) throw new Error(`the program has no inspector\n${program.output()}`);
  const socket = new WebSocket(address);
  scope.after(() => socket.close());
  const answers = new Map<number, (result: Coverage) => void>();
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data));
    answers.get(id)?.(result);
    answers.delete(id);
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  let last = 0;
  const send = (method: string, params: object = {}) =>
    new Promise<Coverage>((resolve) => {
      last += 1;
      answers.set(last, resolve);
      socket.send(JSON.stringify({ id: last, method, params }));
    });
  await send('Profiler.enable');
  await send('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  const home = pathToFileURL(`${root}/`).href;
  return {
    calledFiles: async () => {
      const { result } = await send('Profiler.takePreciseCoverage');
      const called = result.filter(({ functions }) =>
        functions.some(({ ranges }) => ranges.some(({ count }) => count > 0)),
      );
      return called
        .filter(({ url }) => url.startsWith(home) && !url.includes('/node_modules/'))
        .map(({ url }) => url.slice(home.length))
        .sort();
    },
  };
}

/** The answer of Profiler.takePreciseCoverage. */
interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly { readonly count: number }[] }[];
  }[];
}
