import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { openPrivateFile } from '../files/private-file.ts';
import { ConfigError } from '../settings/config-error.ts';
import { encodeEntry, paddingOf, TAR_END_SIZE } from '../tar/tar-writer.ts';
import type { Redactor } from './redactor.ts';

/** Maximum bytes of a file of a bundle; the rest is left out. */
const LARGEST_FILE = 4 * 1024 * 1024;
/** Milliseconds that a part may take. */
const PATIENCE = 20_000;
const PRIVATE_FILE = {
  kind: 'file',
  mode: 0o600,
  uid: 0,
  gid: 0,
  target: '',
  major: 0,
  minor: 0,
  xattrs: new Map<string, string>(),
} as const;

/** A file of a bundle: how to make its content, a text or a value for JSON. It may throw or hang. */
export interface BundlePart {
  /** Such as `catalog.json`. */
  readonly name: string;
  readonly read: (signal: AbortSignal) => unknown;
}

/** A file of a bundle, without secrets. */
interface BundleFile {
  readonly name: string;
  readonly text: string;
}

/**
 * Makes the files of a bundle. A part that fails or takes too long leaves a file `NAME.error.txt` with the reason.
 * Secrets are removed by `redactor`.
 */
export async function readParts(
  parts: readonly BundlePart[],
  redactor: Redactor,
): Promise<readonly BundleFile[]> {
  const files: BundleFile[] = [];
  for (const part of parts) {
    const { name } = part;
    try {
      const value = await inTime(part);
      if (value === undefined) continue;
      const text = typeof value === 'string' ? value : `${JSON.stringify(value, null, 2)}\n`;
      files.push({ name, text: shortened(redactor.text(text)) });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      files.push({ name: `${name}.error.txt`, text: shortened(`${redactor.text(reason)}\n`) });
    }
  }
  return files;
}

async function inTime({ read }: BundlePart): Promise<unknown> {
  const end = new AbortController();
  const late = sleep(PATIENCE, undefined, { signal: end.signal }).then(() => {
    throw new Error(`this was not done after ${PATIENCE / 1000} seconds`);
  });
  try {
    return await Promise.race([read(end.signal), late]);
  } finally {
    late.catch(() => undefined);
    end.abort();
  }
}

function shortened(text: string): string {
  if (text.length <= LARGEST_FILE) return text;
  return `${text.slice(0, LARGEST_FILE)}\n… ${text.length - LARGEST_FILE} more characters were left out\n`;
}

/**
 * Writes a bundle, a .tar.gz with one folder, to a new file that only its owner can read. Throws ConfigError when the file
 * exists or cannot be made.
 */
export async function writeBundle(file: string, folder: string, files: readonly BundleFile[]): Promise<void> {
  const mtime = Math.floor(Date.now() / 1000);
  const entries = files.flatMap(({ name, text }) => {
    const body = Buffer.from(text);
    const header = encodeEntry({ ...PRIVATE_FILE, path: `${folder}/${name}`, size: body.length, mtime });
    return [header, body, Buffer.alloc(paddingOf(body.length))];
  });
  const bytes = gzipSync(Buffer.concat([...entries, Buffer.alloc(TAR_END_SIZE)]));
  try {
    await using output = await openPrivateFile(file, 'wx');
    await output.writeFile(bytes);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why =
      code === 'EEXIST' ? 'exists: choose another name with --output' : `cannot be written (${code})`;
    throw new ConfigError(`the file ${file} ${why}`, { cause });
  }
}

/** The name of a bundle that is made now, such as `berth-support-20260131-235959`. */
export function bundleName(program: string): string {
  const digits = new Date().toISOString().replace(/\D/g, '');
  return `${program}-support-${digits.slice(0, 8)}-${digits.slice(8, 14)}`;
}
