import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { IngressError } from './ingress.ts';
import type { OfferedCertificate, Server } from './plan-routes.ts';

/** Timeout of one command, milliseconds. */
const TIMEOUT = 10_000;
/** Errors of a socket whose process does not exist, or has closed it temporarily. */
const ABSENT: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE', 'EAGAIN']);
/** Attempts to connect, and the milliseconds between them. */
const CONNECT_ATTEMPTS = 20;
const CONNECT_PAUSE = 50;
/** Maximum bytes of an answer: 100,000 servers take about 10 MB. */
const MAX_ANSWER = 64 << 20;
/** Maximum bytes of one line of commands; HAProxy's buffer has 16 KiB. */
const MAX_LINE = 8_000;
/** Bits of `srv_admin_state` (HAProxy's management guide, "show servers state"). */
const MAINTENANCE = 0x01;
const DRAIN = 0x08;

/** The processes of a proxy. */
export interface ProxyPids {
  readonly master: number;
  /** The worker that accepts connections. */
  readonly worker: number;
  /** Workers that were replaced and end with their last connection. */
  readonly old: readonly number[];
}

/** Open requests, connections of TCP routes and WebSockets of a server. */
export interface ServerLoad {
  readonly slot: string;
  readonly name: string;
  readonly open: number;
}

/** HAProxy's runtime API ("management.txt", section 9.3) of one worker, or that of the master. */
export class ProxyAdmin {
  readonly #socketPath: string;
  readonly #prefix: string;

  /** With `worker`, the socket is the master's, which passes commands on to the worker with this pid. */
  constructor(socketPath: string, worker?: number) {
    this.#socketPath = socketPath;
    this.#prefix = worker === undefined ? '' : `@!${worker} `;
  }

  /** Runs one command and returns its answer. Throws IngressError when there is no process, or it does not answer. */
  async run(command: string): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await ask(this.#socketPath, `${this.#prefix}${command}\n`);
      } catch (error) {
        const { syscall, message } = error as NodeJS.ErrnoException;
        // Nothing was received: a worker that has just started may not accept connections yet.
        const isUnread = syscall === 'connect' || syscall === 'write';
        if (!isUnread || attempt === CONNECT_ATTEMPTS) {
          throw new IngressError(`the proxy does not answer: ${message}.`, { cause: error });
        }
        await sleep(CONNECT_PAUSE);
      }
    }
  }

  /** Runs commands in order, in few connections. Throws IngressError when one fails; those after it may have been run. */
  async runAll(commands: readonly string[]): Promise<void> {
    for (const line of joinCommands(commands)) throwIfRefused(await this.run(line), line);
  }

  /** Runs a command with lines of input. No line in `lines` is empty. */
  async runWith(command: string, lines: string): Promise<void> {
    throwIfRefused(await this.run(`${command} <<\n${lines.trimEnd()}\n`), command);
  }

  /**
   * Returns the processes, queried from the master; undefined when it does not answer: it is not running, or
   * re-executes itself.
   */
  async pids(): Promise<ProxyPids | undefined> {
    let answer: string;
    try {
      answer = await ask(this.#socketPath, 'show proc\n');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (ABSENT.has(code ?? '')) return undefined;
      throw error;
    }
    const [current = '', old = ''] = answer.split('# old workers');
    const pidsOf = (text: string, type: string) =>
      rows(text).flatMap((row) => {
        const [pid, kind] = row.filter((word) => word !== '');
        return kind === type ? [Number(pid)] : [];
      });
    const [master] = pidsOf(current, 'master');
    const [worker] = pidsOf(current, 'worker');
    if (master === undefined || worker === undefined) return undefined;
    return { master, worker, old: pidsOf(old, 'worker') };
  }

  /** Makes the master reload its configuration and replace the worker. Throws IngressError with HAProxy's message. */
  async reload(): Promise<void> {
    const answer = await this.run('reload');
    if (!answer.startsWith('Success=1'))
      throw new IngressError(`HAProxy could not be changed: ${alerts(answer)}`);
  }

  /** Returns the description in the configuration: see configIdentity. */
  async identity(): Promise<string> {
    const lines = (await this.run('show info')).split('\n');
    return lines.find((line) => line.startsWith('description: '))?.slice('description: '.length) ?? '';
  }

  /** Returns the entries of a map: the key, the value, and the reference by which an entry is changed. */
  async map(
    path: string,
  ): Promise<readonly { readonly ref: string; readonly key: string; readonly value: string }[]> {
    return rows(await this.run(`show map ${path}`)).map(([ref = '', key = '', value = '']) => ({
      ref,
      key,
      value,
    }));
  }

  async servers(): Promise<readonly Server[]> {
    const [header, ...lines] = rows(await this.run('show servers state'), '1');
    const column = (row: readonly string[], name: string) =>
      // The header begins with "#".
      row[(header ?? []).indexOf(name) - 1] ?? '';
    return lines.map((row) => {
      const admin = Number(column(row, 'srv_admin_state'));
      return {
        slot: column(row, 'be_name'),
        name: column(row, 'srv_name'),
        address: column(row, 'srv_addr'),
        port: Number(column(row, 'srv_port')),
        weight: Number(column(row, 'srv_uweight')),
        state: admin & MAINTENANCE ? 'leaving' : admin & DRAIN ? 'draining' : 'ready',
      };
    });
  }

  /** Returns the load of the servers of these slots. */
  async loads(slots: readonly string[]): Promise<readonly ServerLoad[]> {
    const answers = await Promise.all(slots.map((slot) => this.run(`show stat ${slot} 4 -1`)));
    return answers.flatMap((answer) => {
      const [header = [], ...lines] = answer
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.replace('# ', '').split(','));
      const value = (row: readonly string[], name: string) => row[header.indexOf(name)] ?? '';
      return lines.map((row) => ({
        slot: value(row, 'pxname'),
        name: value(row, 'svname'),
        open: Number(value(row, 'scur')) + Number(value(row, 'qcur')),
      }));
    });
  }

  /** Returns the ports of TCP routes. */
  async tcpPorts(): Promise<readonly number[]> {
    const names = (await this.run('show stat -1 1 -1')).split('\n').map((line) => line.split(',')[0] ?? '');
    return names
      .filter((name) => /^t\d+$/.test(name))
      .map((name) => Number(name.slice(1)))
      .sort((one, other) => one - other);
  }

  /** Returns the certificates in a list. Files are named without their folder. */
  async certificates(list: string): Promise<readonly OfferedCertificate[]> {
    return rows(await this.run(`show ssl crt-list ${list}`)).flatMap(([path = '', ...filters]) => {
      const host = filters.at(-1);
      return host === undefined ? [] : [{ file: path.slice(path.lastIndexOf('/') + 1), host }];
    });
  }

  /** Closes the connections of a server. */
  async cut(slot: string, name: string): Promise<void> {
    // A replaced worker refuses the command for all sessions of a server.
    const sessions = (await this.run('show sess')).split('\n').map((line) => line.split(' '));
    for (const [id = '', ...fields] of sessions) {
      if (!fields.includes(`be=${slot}`) || !fields.includes(`srv=${name}`)) continue;
      await this.run(`shutdown session ${id.replace(':', '')}`);
    }
  }

  /** Calls `onClose` once when the master closes an idle connection: at its end, at a reload, after days. */
  watch(onClose: () => void): () => void {
    const socket = connect(this.#socketPath, () => socket.write('prompt\n'));
    socket.resume().on('error', () => undefined);
    socket.once('close', onClose);
    return () => {
      socket.off('close', onClose);
      socket.destroy();
    };
  }
}

/** Returns the lines of HAProxy's output that explain a failure, without process numbers. */
export function alerts(output: string): string {
  const lines = output.split('\n').filter((line) => line.startsWith('[ALERT]'));
  const text = lines.length === 0 ? output : lines.map((line) => line.slice(line.indexOf(':') + 1)).join(';');
  return text.trim().slice(0, 1_000);
}

/** Joins commands into lines of at most MAX_LINE bytes. */
function joinCommands(commands: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const command of commands) {
    const line = lines.at(-1);
    if (line === undefined || line.length + command.length > MAX_LINE) lines.push(command);
    else lines[lines.length - 1] = `${line};${command}`;
  }
  return lines;
}

/** Splits rows into words; comment lines are skipped unless they begin a table with a version. */
function rows(answer: string, version?: string): readonly (readonly string[])[] {
  return answer
    .split('\n')
    .filter((line) => line !== '' && line !== version && (version !== undefined || !line.startsWith('#')))
    .map((line) => line.split(' '));
}

/** HAProxy has no success codes: commands that change something answer nothing or one of these sentences. */
const SUCCESS =
  /^(?:New server registered\.|Server deleted\.|New empty certificate store '.*'!|Transaction created for certificate .*!|Committing .*|Success!|Inserting certificate .*|Certificate '.*' deleted!|Entry '.*' deleted in crtlist '.*'!|\.+)$/;

function throwIfRefused(answer: string, command: string): void {
  const refused = answer.split('\n').filter((line) => line !== '' && !SUCCESS.test(line));
  if (refused.length === 0) return;
  throw new IngressError(`the proxy refused "${command.slice(0, 200)}": ${refused.join(' ').slice(0, 500)}`);
}

function ask(path: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let answer = '';
    const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), TIMEOUT);
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      answer += chunk;
      if (answer.length > MAX_ANSWER) socket.destroy(new Error('the answer is too long'));
    });
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
    // The master keeps half-open connections.
    socket.end(text);
  });
}
