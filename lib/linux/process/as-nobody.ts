/** Bytes of address space, of which a zstd window takes 128 MB, and seconds of processor time. */
const LIMITS = [`--as=${1 << 30}`, '--cpu=3600', '--core=0'];
/** `nobody` and `nogroup` of Debian, and the kernel's overflow ids; the program cannot regain privileges. */
const NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs', '--'];

/** The programs of util-linux that asNobody needs, by name or by absolute path. */
export interface Confiners {
  readonly prlimit: string;
  readonly setpriv: string;
}

/**
 * Returns the command that runs a program on untrusted content: as nobody, with limits on memory and processor time.
 * SIGXFSZ ends it when a file that it writes exceeds `fileSize` bytes; pipes do not count. The caller is root.
 */
export function asNobody(
  { prlimit, setpriv }: Confiners,
  fileSize: number,
  command: readonly string[],
): { readonly path: string; readonly args: readonly string[] } {
  return { path: prlimit, args: [...LIMITS, `--fsize=${fileSize}`, setpriv, ...NOBODY, ...command] };
}
