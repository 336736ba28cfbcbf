import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Names of architectures: of Debian and of npm. */
export const ARCHITECTURES = { amd64: 'x64', arm64: 'arm64' } as const;
export type Architecture = keyof typeof ARCHITECTURES;

/** An npm package as package-lock.json pins it. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly licence: string;
  /** Hash of its tarball: an algorithm, `-`, and the hash in base64. */
  readonly integrity: string;
  /** The key in package-lock.json, which is its folder once it is installed. */
  readonly path: string;
}

interface LockEntry {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly cpu?: string | readonly string[];
  readonly os?: string | readonly string[];
  readonly libc?: string | readonly string[];
}

/** The packages of package-lock.json. Packages for another architecture are downloaded from npm once, and verified. */
export class LockedPackages {
  readonly #root: string;
  readonly #cache: string;
  readonly #entries: Readonly<Record<string, LockEntry>>;

  private constructor(root: string, cache: string, entries: Readonly<Record<string, LockEntry>>) {
    this.#root = root;
    this.#cache = cache;
    this.#entries = entries;
  }

  /** `root` is the folder of package-lock.json; downloads are cached in `cache`. */
  static async read(root: string, cache: string): Promise<LockedPackages> {
    const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
    return new LockedPackages(root, cache, packages);
  }

  /** Returns Berth's own package with this name. Throws when there is none. */
  find(name: string): LockedPackage {
    return this.#at(`node_modules/${name}`, name);
  }

  /** Returns these packages and all their dependencies on Linux of this architecture, each once, by path. */
  closure(names: readonly string[], architecture: Architecture): readonly LockedPackage[] {
    const found = new Map<string, LockedPackage>();
    const visit = (name: string, from: string) => {
      const path = this.#resolve(name, from);
      if (path === undefined || found.has(path)) return;
      const entry = this.#entries[path];
      if (entry === undefined || !fits(entry, architecture)) return;
      found.set(path, this.#at(path, name));
      const needed = { ...entry.dependencies, ...entry.optionalDependencies };
      for (const dependency of Object.keys(needed)) visit(dependency, path);
    };
    for (const name of names) visit(name, '');
    return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** The folder with the content of a package. */
  async folderOf(locked: LockedPackage): Promise<string> {
    const installed = join(this.#root, locked.path);
    if (await exists(join(installed, 'package.json'))) return installed;
    const folder = join(this.#cache, locked.name.replace('/', '+'), locked.version);
    if (!(await exists(join(folder, 'package/package.json')))) await this.#fetch(locked, folder);
    return join(folder, 'package');
  }

  async #fetch({ integrity, name, version }: LockedPackage, folder: string): Promise<void> {
    const making = `${folder}.making`;
    await rm(making, { recursive: true, force: true });
    await mkdir(making, { recursive: true });
    const args = ['pack', '--json', '--pack-destination', making, `${name}@${version}`];
    const { stdout } = await run('npm', args, { cwd: making, maxBuffer: 64 << 20 });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    const archive = join(making, filename.replace('@', '').replace('/', '-'));
    const [algorithm = '', expected] = integrity.split(/-(.*)/s);
    const actual = createHash(algorithm)
      .update(await readFile(archive))
      .digest('base64');
    if (actual !== expected) {
      throw new Error(`${name} ${version} from npm is not what package-lock.json pins: ${integrity}`);
    }
    await run('tar', ['--extract', '--gzip', '--file', archive, '--directory', making, '--no-same-owner']);
    await rm(archive);
    await writeFile(join(making, 'integrity'), integrity);
    await rm(folder, { recursive: true, force: true });
    await rename(making, folder);
  }

  /** Resolves a package as Node does: in the folder of its dependant, and in those above. */
  #resolve(name: string, from: string): string | undefined {
    for (let base = from; ; base = base.slice(0, Math.max(0, base.lastIndexOf('node_modules/') - 1))) {
      const path = base === '' ? `node_modules/${name}` : `${base}/node_modules/${name}`;
      if (this.#entries[path] !== undefined) return path;
      if (base === '') return undefined;
    }
  }

  #at(path: string, name: string): LockedPackage {
    const entry = this.#entries[path];
    if (entry?.integrity === undefined) throw new Error(`package-lock.json does not pin ${path}`);
    const { integrity, license, version } = entry;
    return { name, version, integrity, path, licence: license ?? 'NOASSERTION' };
  }
}

function fits({ cpu, libc, os }: LockEntry, architecture: Architecture): boolean {
  const allows = (values: string | readonly string[] | undefined, value: string) =>
    values === undefined || [values].flat().includes(value);
  return allows(os, 'linux') && allows(cpu, ARCHITECTURES[architecture]) && allows(libc, 'glibc');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
