import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openTestAuthStore } from '../support/auth-store.ts';
import { type CleanupScope, withCleanup } from '../support/cleanup.ts';
import { hashPassword } from '../support/hash-password.ts';
import { basicAuthorization, sendRequest } from '../support/http-client.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/*
 * `node test/bench/auth.ts [--rounds=3] [--seconds=3]`: what saying who one is costs. An open registry and one with
 * accounts in turns, in one run; of the rounds the median counts. Also by the server's processor time, which the
 * load of the machine changes less.
 */

const PASSWORD = 'a password of the bench';
const MANIFEST = '/v2/bench/app/manifests/1';
/** People who log in at once. */
const LOGINS = 50;

interface Load {
  readonly perSecond: number;
  /** Requests for a second of the server's processor time. */
  readonly perProcessorSecond: number;
  readonly p99Ms: number;
}

interface Server {
  readonly url: string;
  readonly data: string;
  cpuSeconds(): Promise<number>;
}

const { values } = parseArgs({ options: { rounds: { type: 'string' }, seconds: { type: 'string' } } });
const rounds = Number(values.rounds ?? 3);
const seconds = Number(values.seconds ?? 3);
await withCleanup(run);

async function run(scope: CleanupScope): Promise<void> {
  const open = await startServer(scope, undefined);
  const closed = await startServer(scope, PASSWORD);
  const folder = await makeTempDir(scope, 'bench');
  const user = { name: 'admin', password: PASSWORD };
  const ask = async (query: string) =>
    JSON.parse((await sendRequest(`${closed.url}/token?service=berth&${query}`, { user })).body.toString());
  const bearer = async () => `Bearer ${(await ask('scope=repository:bench/app:pull')).token}`;
  const script = join(folder, 'refresh.lua');
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    service: 'berth',
    scope: 'repository:bench/app:pull,push',
    refresh_token: (await ask('offline_token=true')).refresh_token,
  });
  await writeFile(
    script,
    `wrk.method = "POST"\nwrk.body = "${form}"\nwrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n`,
  );

  const people = await addPeople(scope, closed.data, rounds * seconds * 120);
  const results = new Map<string, Load[]>();
  for (let round = 0; round < rounds; round += 1) {
    const token = await bearer();
    const steps: readonly (readonly [string, () => Promise<Load>])[] = [
      ['manifest GET, open registry', () => load(open, MANIFEST)],
      ['manifest GET, bearer token', () => load(closed, MANIFEST, ['-H', `Authorization: ${token}`])],
      [
        'manifest GET, password',
        () => load(closed, MANIFEST, ['-H', `Authorization: ${basicAuthorization('admin', PASSWORD)}`]),
      ],
      ['POST /token, refresh token', () => load(closed, '/token', ['-s', script])],
      ['manifest GET, 4 clients', () => load(closed, MANIFEST, ['-c4', '-H', `Authorization: ${token}`])],
      [`manifest GET, 4 clients, ${LOGINS} logins at once`, () => besideLogins(closed, token, people)],
    ];
    for (const [name, step] of steps) results.set(name, [...(results.get(name) ?? []), await step()]);
  }
  console.log('| what | requests/s | a processor second | p99 ms |\n| --- | ---: | ---: | ---: |');
  for (const [name, loads] of results) {
    const median = (of: (one: Load) => number) =>
      loads.map(of).sort((a, b) => a - b)[Math.floor(loads.length / 2)] ?? Number.NaN;
    const cells = [median((one) => one.perSecond), median((one) => one.perProcessorSecond)].map(Math.round);
    console.log(`| ${name} | ${cells.join(' | ')} | ${median((one) => one.p99Ms).toFixed(1)} |`);
  }
}

async function startServer(scope: CleanupScope, adminPassword: string | undefined): Promise<Server> {
  const registry = await startRegistry(scope, {
    ...(adminPassword !== undefined && { adminPassword }),
    args: ['--token-limit', '0'],
  });
  const user = adminPassword === undefined ? undefined : { name: 'admin', password: adminPassword };
  await createRegistryClient(registry.url, user).pushImage('bench/app', '1');
  return { url: registry.url, data: registry.dataDir, cpuSeconds: () => registry.process().cpuSeconds() };
}

/** Accounts with the password PASSWORD that nobody has verified yet. */
async function addPeople(scope: CleanupScope, data: string, count: number): Promise<string[]> {
  const { accounts } = await openTestAuthStore(scope, join(data, 'catalog.sqlite'));
  const passwordHash = await hashPassword(PASSWORD);
  const names = Array.from({ length: count }, (_, number) => `somebody-${number}`);
  for (const name of names)
    await accounts.create({ name, passwordHash, admin: false, createdAt: new Date() });
  return names;
}

async function load(server: Server, path: string, more: readonly string[] = []): Promise<Load> {
  const before = await server.cpuSeconds();
  const { stdout } = await runCommand(
    'wrk',
    ['-t1', '-c32', `-d${seconds}s`, '--latency', ...more, `${server.url}${path}`],
    { timeoutMs: (seconds + 30) * 1000 },
  );
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`requests failed:\n${stdout}`);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  const [, p99, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? [];
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    perProcessorSecond: requests / ((await server.cpuSeconds()) - before),
    p99Ms: Number(p99) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1),
  };
}

/** Everybody of `people` logs in once, and waits to be told: after that the password is known. */
async function besideLogins(server: Server, token: string, people: string[]): Promise<Load> {
  const end = new AbortController();
  let logins = 0;
  const logInOthers = async () => {
    for (let name = people.pop(); name !== undefined && !end.signal.aborted; name = people.pop()) {
      const { status } = await sendRequest(`${server.url}/token?service=berth`, {
        user: { name, password: PASSWORD },
      });
      if (status !== 200) throw new Error(`a login was answered with ${status}`);
      logins += 1;
    }
  };
  const running = Promise.all(Array.from({ length: LOGINS }, logInOthers));
  try {
    return await load(server, MANIFEST, ['-c4', '-H', `Authorization: ${token}`]);
  } finally {
    console.error(`${logins} logins, ${people.length} people left`);
    end.abort();
    await running;
  }
}
