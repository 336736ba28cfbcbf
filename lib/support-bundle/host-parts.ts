import { readdir, readFile, stat } from 'node:fs/promises';
import { arch, cpus, hostname, loadavg, release, uptime } from 'node:os';
import { join } from 'node:path';
import { fileSystemSpace } from '../files/file-system-space.ts';
import { openRegularFile } from '../files/regular-file.ts';
import { readVersion } from '../files/version.ts';
import { getText, type HttpPlace } from '../http/get-text.ts';
import { runProcess } from '../linux/process/run-process.ts';
import type { Redactor } from './redactor.ts';
import type { BundlePart } from './support-bundle.ts';

/** Maximum bytes of a log that are read, from its end. */
const LOG_BYTES = 2 * 1024 * 1024;
const LOG_LINES = 2000;
/** Maximum bytes of metrics. */
const METRICS_BYTES = 4 * 1024 * 1024;
/** Maximum entries of a folder that are listed. */
const MOST_ENTRIES = 200;
const UNLIMITED = 'max';

/** The parts of each bundle about the program, the system, its memory and the file system of the data folder. */
export function hostParts(program: string, data: string | undefined): readonly BundlePart[] {
  return [
    { name: 'version.json', read: () => describeProgram(program) },
    { name: 'system.json', read: describeSystem },
    { name: 'memory.json', read: describeMemory },
    { name: 'disk.json', read: () => data && describeDisk(data) },
  ];
}

async function describeProgram(program: string) {
  const packaged = await output('dpkg-query', ['--status', program]);
  return {
    program,
    version: await readVersion(),
    node: process.version,
    made: new Date().toISOString(),
    executable: process.execPath,
    folder: join(import.meta.dirname, '../..'),
    package: packaged === undefined ? 'not installed' : (/^Version: (.*)$/m.exec(packaged)?.[1] ?? 'unknown'),
    user: process.getuid?.(),
  };
}

async function describeSystem() {
  const os = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return {
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(os)?.[1],
    kernel: release(),
    architecture: arch(),
    processors: cpus().length,
    processor: cpus()[0]?.model,
    host: hostname(),
    uptimeSeconds: Math.round(uptime()),
    load: loadavg(),
    limits: await readFile('/proc/self/limits', 'utf8').catch(() => undefined),
  };
}

async function describeMemory() {
  const text = await readFile('/proc/meminfo', 'utf8');
  const entries = text.matchAll(/^(\w+): +(\d+) kB$/gm);
  const group = /^0::(\/.*)$/m.exec(await readFile('/proc/self/cgroup', 'utf8').catch(() => ''))?.[1];
  const limit =
    group &&
    (await readFile(join('/sys/fs/cgroup', group, 'memory.max'), 'utf8').catch(() => UNLIMITED)).trim();
  return {
    bytes: Object.fromEntries([...entries].map(([, name, kilobytes]) => [name, Number(kilobytes) * 1024])),
    ...(limit && { cgroupLimit: limit }),
  };
}

async function describeDisk(data: string) {
  const names = (await readdir(data)).sort();
  const entries = await Promise.all(
    names.slice(0, MOST_ENTRIES).map(async (name) => {
      const found = await stat(join(data, name)).catch(() => undefined);
      if (found === undefined) return { name };
      const mode = (found.mode & 0o7777).toString(8);
      return { name, mode, owner: found.uid, ...(found.isFile() && { bytes: found.size }) };
    }),
  );
  return { data, space: await fileSystemSpace(data), entries, more: names.length - entries.length };
}

/**
 * The last lines of a program's log: of `file`, or of the journal of systemd for `unit`. Lines that are not JSON are
 * kept only if they are of a stack.
 */
export function logPart(file: string | undefined, unit: string, redactor: Redactor): BundlePart {
  return {
    name: 'log.jsonl',
    read: async () => {
      const text =
        file === undefined
          ? await output('journalctl', ['--unit', unit, '--lines', String(LOG_LINES), '--output', 'cat'])
          : await endOf(file);
      if (text === undefined) {
        throw new Error(`the journal of ${unit} cannot be read: run this as root, or give --log FILE`);
      }
      const lines = text.split('\n').slice(-LOG_LINES).filter(Boolean);
      const kept = lines.flatMap((line) => keptLine(line, redactor) ?? []);
      if (lines.length > kept.length)
        kept.push(`${lines.length - kept.length} lines that are not JSON were left out`);
      return `${kept.join('\n')}\n`;
    },
  };
}

function keptLine(line: string, redactor: Redactor): string | undefined {
  try {
    return JSON.stringify(redactor.value(JSON.parse(line)));
  } catch {
    return /^ {4,}at /.test(line) ? line : undefined;
  }
}

async function endOf(file: string): Promise<string> {
  await using handle = await openRegularFile(file);
  const { size } = await handle.stat();
  const bytes = Buffer.alloc(Math.min(size, LOG_BYTES));
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, size - bytes.length);
  return bytes.toString('utf8', 0, bytesRead);
}

/** The metrics of the running program; undefined `place`: it offers none. */
export function metricsPart(place: HttpPlace | undefined): BundlePart {
  return {
    name: 'metrics.txt',
    read: async (signal) => {
      if (place === undefined) throw new Error('the setting --metrics is off');
      try {
        return await getText(place, '/metrics', METRICS_BYTES, signal);
      } catch (cause) {
        throw new Error(`the program does not answer: ${(cause as Error).message}`, { cause });
      }
    },
  };
}

/** Returns what a program prints; undefined if it fails or is not there. */
async function output(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const options = { timeout: 10_000, maxOutput: 2 * LOG_BYTES };
    const { exitCode, stdout } = await runProcess(program, args, options);
    return exitCode === 0 ? stdout : undefined;
  } catch {
    return undefined;
  }
}
