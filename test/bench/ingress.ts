import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { withCleanup } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';
import { plainRoute, proxyPids, ready, startIngress } from '../support/ingress.ts';
import { startProcess } from '../support/managed-process.ts';
import { runCommand } from '../support/run-command.ts';
import { untilItListens } from '../support/until-it-listens.ts';

/*
 * `node test/bench/ingress.ts`: requests a second through the ingress of a host, beside the same backend asked directly, in turns; and
 * while the backend is replaced all the time. Needs root. Prints a Markdown table.
 */

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    routes: { type: 'string', default: '100' },
  },
});
const HOST = 'shop.test';
/** Answers at once with a few bytes, in a process of its own. */
const BACKEND = `
  require('node:http').createServer((request, response) => response.end('a short answer'))
    .listen({ port: Number(process.argv[1]), host: '127.0.0.1' });`;

await withCleanup(async (scope, signal) => {
  const startBackend = async () => {
    const port = await freePort();
    await untilItListens(port, startProcess(scope, process.execPath, ['-e', BACKEND, String(port)]));
    return { address: '127.0.0.1', port };
  };
  const [one, two, idle] = [await startBackend(), await startBackend(), await startBackend()];
  const { ingress, url, folder } = await startIngress(scope);
  const others = Array.from({ length: Number(values.routes) - 1 }, (_, index) =>
    plainRoute(`h${index}.test`, [idle]),
  );
  const set = (backend: typeof one) => ingress.setRoutes([plainRoute(HOST, [backend]), ...others]);
  await set(one);

  const load = async (target: string) => {
    const args = [
      '-t1',
      `-c${values.connections}`,
      `-d${values.seconds}s`,
      '--latency',
      '-H',
      `Host: ${HOST}`,
    ];
    const { stdout } = await runCommand('wrk', [...args, target], { signal, timeoutMs: 120_000 });
    const failed = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? '0';
    const broken = /Socket errors: (.*)/.exec(stdout)?.[1];
    return {
      perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
      p99: /99%\s+(\S+)/.exec(stdout)?.[1] ?? '?',
      failed: broken === undefined ? failed : `${failed}; ${broken}`,
    };
  };
  const rows = new Map<string, Awaited<ReturnType<typeof load>>[]>();
  const note = (name: string, row: Awaited<ReturnType<typeof load>>) =>
    rows.set(name, [...(rows.get(name) ?? []), row]);
  let updates = 0;
  for (let round = 0; round < Number(values.rounds); round += 1) {
    note('the backend alone', await load(`http://127.0.0.1:${one.port}/`));
    note('through the ingress', await load(url));
    let isOver = false;
    const replacing = (async () => {
      for (let current = one; !isOver; updates += 1) {
        const next = current === one ? two : one;
        await set(next);
        await ingress.drained(current, { timeout: 10_000 }, signal);
        current = next;
        await sleep(100);
      }
      await ingress.setRoutes([{ ...plainRoute(HOST, []), backends: [ready(one)] }, ...others]);
    })();
    note('through it, during updates', await load(url));
    isOver = true;
    await replacing;
  }
  console.log(
    `| ${values.connections} connections, ${values.routes} routes | requests/s | p99 | failed |\n| --- | --- | --- | --- |`,
  );
  for (const [name, all] of rows) {
    const [median] = all.sort((a, b) => a.perSecond - b.perSecond).slice(Math.floor(all.length / 2));
    const failures = all.map(({ failed }) => failed).join(', ');
    console.log(`| ${name} | ${Math.round(median?.perSecond ?? 0)} | ${median?.p99} | ${failures} |`);
  }
  const pids = await proxyPids(folder);
  const memory = await runCommand('ps', ['-o', 'rss=', '-p', `${pids?.master},${pids?.worker}`]);
  console.log(
    `\n${updates} updates; resident memory of master and worker, KB: ${memory.stdout.trim().split(/\s+/).join(', ')}`,
  );
});
