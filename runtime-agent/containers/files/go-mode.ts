import { type BigIntStats, constants } from 'node:fs';

/** Bits of Go's io/fs.FileMode. */
const GO = {
  directory: 2 ** 31,
  symlink: 2 ** 27,
  device: 2 ** 26,
  fifo: 2 ** 25,
  socket: 2 ** 24,
  setuid: 2 ** 23,
  setgid: 2 ** 22,
  charDevice: 2 ** 21,
  sticky: 2 ** 20,
} as const;

const KINDS: ReadonlyMap<number, number> = new Map([
  [constants.S_IFDIR, GO.directory],
  [constants.S_IFLNK, GO.symlink],
  [constants.S_IFBLK, GO.device],
  [constants.S_IFCHR, GO.device + GO.charDevice],
  [constants.S_IFIFO, GO.fifo],
  [constants.S_IFSOCK, GO.socket],
]);

/** The mode of a file as Go has it, which the Engine API sends. */
export function goMode(stat: Pick<BigIntStats, 'mode'>): number {
  const mode = Number(stat.mode);
  return (
    (mode & 0o777) +
    (KINDS.get(mode & constants.S_IFMT) ?? 0) +
    ((mode & 0o4000) === 0 ? 0 : GO.setuid) +
    ((mode & 0o2000) === 0 ? 0 : GO.setgid) +
    ((mode & 0o1000) === 0 ? 0 : GO.sticky)
  );
}
