import { randomBytes } from 'node:crypto';
import { chown, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { type CleanupScope, defer } from './cleanup.ts';
import { freePort } from './free-port.ts';
import { type ManagedProcess, startProcess } from './managed-process.ts';
import { runCommand } from './run-command.ts';
import { makeTempDir } from './temp-dir.ts';

export interface PostgresOptions {
  /** Whether what is committed survives kill(); without it everything is faster. */
  readonly durable?: boolean;
  /** More settings, such as `max_connections`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The folder that holds its data folder; a fresh one unless given. */
  readonly folder?: string;
}

export interface DatabaseOptions {
  /** Where its files lie; the server's own folder unless given. */
  readonly folder?: string;
  /** Sorts texts by the rules of this locale; by bytes unless given. */
  readonly icuLocale?: string;
}

/** A PostgreSQL server of Debian's package, on a free port of 127.0.0.1, which stays the same over restarts. */
export interface Postgres {
  /** Returns the URL of a fresh, empty database. */
  createDatabase(options?: DatabaseOptions): Promise<string>;
  /** The running process; another one after each restart. */
  process(): ManagedProcess;
  /** SIGINT: running transactions are cut off. */
  stop(): Promise<void>;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
  /** Starts it again, when it does not run. */
  start(): Promise<void>;
}

const VERSIONS = '/usr/lib/postgresql';
const QUICK = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/** Starts PostgreSQL as the user `postgres`, as whom alone it runs when root starts it. */
export async function startPostgres(scope: CleanupScope, options: PostgresOptions = {}): Promise<Postgres> {
  const folder = options.folder ?? (await makeTempDir(scope, 'postgres'));
  const bin = join(VERSIONS, await newestVersion(), 'bin');
  const user = await unprivilegedUser();
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const password = randomBytes(12).toString('hex');
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user !== undefined) await chown(passwordFile, user.uid, user.gid);
  await runCommand(
    ...as(user, join(bin, 'initdb'), [
      ...['-D', data, '-U', 'berth', '-A', 'scram-sha-256', '--pwfile', passwordFile],
      ...['-E', 'UTF8', '--locale', 'C.UTF-8', '--no-sync', '--no-instructions'],
    ]),
  );

  const port = await freePort();
  const settings = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    shared_buffers: '32MB',
    ...(options.durable === true ? {} : QUICK),
    ...options.settings,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  let running: ManagedProcess;
  // Whoever was started after the server ends before it, also when it was started again meanwhile.
  const ends: (() => Promise<void> | void)[] = [];
  defer(scope, async () => {
    for (const end of ends) await end();
  });
  const startOnce = async () => {
    running = startProcess(
      { after: (end) => ends.push(end) },
      ...as(user, join(bin, 'postgres'), ['-D', data, ...flags]),
      {
        endSignal: 'SIGQUIT',
      },
    );
    await running.waitForLine(/database system is ready to accept connections/);
  };
  // After a kill the processes of its connections take a moment to notice, and keep the memory that they share.
  const start = async (attempts = 400): Promise<void> => {
    await startOnce().catch(async (error: unknown) => {
      if (attempts <= 1 || running.exit() === undefined) throw error;
      await sleep(250);
      await start(attempts - 1);
    });
  };
  await start();
  const urlOf = (database: string) => `postgres://berth:${password}@127.0.0.1:${port}/${database}`;
  return {
    createDatabase: async ({ folder: place, icuLocale } = {}) => {
      const name = `test_${randomBytes(6).toString('hex')}`;
      if (place !== undefined) {
        await queryPostgres(urlOf('postgres'), `create tablespace ${name} location '${place}'`);
      }
      const space = place === undefined ? '' : ` tablespace ${name}`;
      const order =
        icuLocale === undefined ? '' : ` template template0 locale_provider icu icu_locale '${icuLocale}'`;
      await queryPostgres(urlOf('postgres'), `create database ${name}${space}${order}`);
      return urlOf(name);
    },
    process: () => running,
    stop: async () => {
      await running.end('SIGINT');
    },
    kill: async () => {
      await running.end('SIGKILL');
    },
    start: () => start(),
  };
}

/** Runs SQL on a connection of its own and answers the rows. */
export async function queryPostgres<Row extends object>(url: string, sql: string): Promise<readonly Row[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Undefined when this process may run the server itself. */
async function unprivilegedUser(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string) => Number((await runCommand('id', [flag, 'postgres'])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
}

/** The kernel forgets the signal of startProcess when the user changes: it is set once more. */
function as(
  user: User | undefined,
  command: string,
  args: readonly string[],
): readonly [string, readonly string[]] {
  if (user === undefined) return [command, args];
  const who = ['--reuid', String(user.uid), '--regid', String(user.gid), '--clear-groups'];
  return ['setpriv', [...who, '--pdeathsig', 'QUIT', '--', command, ...args]];
}

async function newestVersion(): Promise<string> {
  const versions = (await readdir(VERSIONS)).sort((a, b) => Number(b) - Number(a));
  return versions[0] ?? '';
}
