/** A program that the agent runs, and its Debian package. */
export interface NeededProgram {
  readonly name: string;
  readonly debianPackage: string;
  readonly purpose: string;
  /** Whether the agent requires it; without the others something is slower or missing. */
  readonly needed: boolean;
}

/** One of the two runtimes suffices, which is checked separately. */
export const PROGRAMS: readonly NeededProgram[] = [
  { name: 'conmon', debianPackage: 'conmon', purpose: 'it supervises each container', needed: true },
  { name: 'nsenter', debianPackage: 'util-linux', purpose: 'it enters namespaces', needed: true },
  { name: 'unshare', debianPackage: 'util-linux', purpose: 'it makes namespaces', needed: true },
  { name: 'setpriv', debianPackage: 'util-linux', purpose: 'it limits rights of helpers', needed: true },
  { name: 'prlimit', debianPackage: 'util-linux', purpose: 'it bounds helpers', needed: true },
  { name: 'tini-static', debianPackage: 'tini', purpose: 'it is what --init runs', needed: true },
  { name: 'haproxy', debianPackage: 'haproxy', purpose: 'it serves the routes of apps', needed: false },
  {
    name: 'igzip',
    debianPackage: 'isal',
    purpose: 'it speeds up pulls of gzip layers',
    needed: false,
  },
  {
    name: 'zstd',
    debianPackage: 'zstd',
    purpose: 'it unpacks zstd layers outside the agent',
    needed: false,
  },
  {
    name: 'git',
    debianPackage: 'git',
    purpose: 'it fetches git repositories for builds',
    needed: false,
  },
];
