/** A program that the agent runs, and the Debian package that brings it. */
export interface NeededProgram {
  readonly name: string;
  readonly debianPackage: string;
  readonly purpose: string;
  /** False: without it something is slower or missing. */
  readonly needed: boolean;
}

/** One of the two runtimes suffices, which is checked separately. */
export const PROGRAMS: readonly NeededProgram[] = [
  { name: 'conmon', debianPackage: 'conmon', purpose: 'it looks after each container', needed: true },
  { name: 'nsenter', debianPackage: 'util-linux', purpose: 'it enters namespaces', needed: true },
  { name: 'unshare', debianPackage: 'util-linux', purpose: 'it makes namespaces', needed: true },
  { name: 'setpriv', debianPackage: 'util-linux', purpose: 'it limits rights of helpers', needed: true },
  { name: 'prlimit', debianPackage: 'util-linux', purpose: 'it bounds helpers', needed: true },
  { name: 'tini-static', debianPackage: 'tini', purpose: 'it is what --init runs', needed: true },
  { name: 'haproxy', debianPackage: 'haproxy', purpose: 'it serves the routes of apps', needed: false },
  {
    name: 'igzip',
    debianPackage: 'isal',
    purpose: 'it makes pulls of gzip layers faster',
    needed: false,
  },
  {
    name: 'zstd',
    debianPackage: 'zstd',
    purpose: 'it takes pulls of zstd layers out of the agent',
    needed: false,
  },
  {
    name: 'git',
    debianPackage: 'git',
    purpose: 'it fetches git repositories that are built from',
    needed: false,
  },
];
