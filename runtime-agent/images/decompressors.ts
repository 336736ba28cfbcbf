import { access, constants } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { LayerCompression } from './read-compression.ts';

/** A program that reads compressed bytes from its stdin and writes what they were to its stdout. */
export interface Decompressor {
  /** For messages. */
  readonly name: string;
  /**
   * The command that runs it as nobody, with bounds: of the bytes of a file from which on SIGXFSZ ends it when it writes one,
   * of memory and processor time. `path` is absolute.
   */
  command(fileSize: number): { readonly path: string; readonly args: readonly string[] };
}

/** Those of this host; where one is missing, zlib does its work, which takes longer. */
export type Decompressors = Readonly<Partial<Record<LayerCompression, Decompressor>>>;

/** Bytes of address space, of which a window of zstd takes 128 MB, and seconds of processor time. */
const LIMITS = [`--as=${1 << 30}`, '--cpu=3600', '--core=0'];
/** `nobody` and `nogroup` of Debian, and the kernel's overflow ids; no program that it starts can be more. */
const NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs', '--'];

/** Finds igzip and zstd. */
export async function findDecompressors(): Promise<Decompressors> {
  const [prlimit, setpriv, igzip, zstd] = await Promise.all(
    ['prlimit', 'setpriv', 'igzip', 'zstd'].map(findProgram),
  );
  if (prlimit === undefined || setpriv === undefined) return {};
  const bounded = (name: string, program: string, options: string): Decompressor => ({
    name,
    command: (fileSize) => ({
      path: prlimit,
      args: [...LIMITS, `--fsize=${fileSize}`, setpriv, ...NOBODY, program, options],
    }),
  });
  return {
    ...(igzip !== undefined && { gzip: bounded('igzip', igzip, '-dc') }),
    ...(zstd !== undefined && { zstd: bounded('zstd', zstd, '-dcq') }),
  };
}

async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(':').filter(isAbsolute)) {
    try {
      await access(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EACCES') throw error;
    }
  }
  return undefined;
}
