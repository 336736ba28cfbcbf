import { createHash } from 'node:crypto';
import { access, chmod, chown, mkdir, readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileUse } from '../../fleet/service.ts';
import { makeFolder } from '../../lib/files/make-folder.ts';
import { openPrivateFile } from '../../lib/files/private-file.ts';
import { EngineError } from '../errors.ts';
import type { StoredInstance } from './fleet-store.ts';

/** statfs(2) */
const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;

/** Decrypts a secret that is encrypted to this host. */
export type OpenSecret = (sealed: string) => Promise<Uint8Array>;

/** A file of the host that is mounted at `target` in an instance. */
export interface InstanceFile {
  readonly source: string;
  readonly target: string;
}

/**
 * The secrets and configurations of instances as in-memory files: a folder for each instance, for root alone, on a
 * tmpfs of the host. They are lost at a reboot, and are written again from the encrypted store before any container
 * starts.
 */
export class InstanceFiles {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  /** `runDirectory` is the agent's own, of this data folder; /dev/shm is used if /run is on a disk. */
  static async open(runDirectory: string): Promise<InstanceFiles> {
    makeFolder(runDirectory);
    for (const folder of [join(runDirectory, 'fleet'), memoryFolder(runDirectory)]) {
      const parent = join(folder, '..');
      const { type } = await statfs(parent);
      if (type !== TMPFS_MAGIC && type !== RAMFS_MAGIC) continue;
      makeFolder(folder);
      await chmod(folder, 0o700);
      return new InstanceFiles(folder);
    }
    throw new EngineError(
      'runtime',
      'neither /run nor /dev/shm is a tmpfs: secrets would be written to a disk',
    );
  }

  /** Writes the files of an instance atomically; existing ones stay. Throws EngineError for a missing secret. */
  async write(instance: StoredInstance, open: OpenSecret): Promise<readonly InstanceFile[]> {
    const { key, spec, secrets, configs } = instance;
    const folder = join(this.#root, key);
    const files: InstanceFile[] = [];
    const add = async (kind: string, use: FileUse, index: number, content: () => Promise<Uint8Array>) => {
      const source = join(folder, `${kind}-${index}`);
      await writeOnce(source, use, content);
      files.push({ source, target: use.target });
    };
    if (spec.secrets.length + spec.configs.length > 0) await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const [index, use] of spec.secrets.entries()) {
      const secret = secrets.find(({ name }) => name === use.source);
      if (secret === undefined) {
        throw new EngineError(
          'bad-request',
          `the secret ${use.source} is not set: set it by "berth secret set"`,
        );
      }
      await add('secret', use, index, () => open(secret.sealed));
    }
    for (const [index, use] of spec.configs.entries()) {
      const config = configs.find(({ name }) => name === use.source);
      if (config === undefined)
        throw new EngineError('bad-request', `there is no configuration ${use.source}`);
      await add('config', use, index, async () => Buffer.from(config.content));
    }
    return files;
  }

  async remove(key: string): Promise<void> {
    await rm(join(this.#root, key), { recursive: true, force: true });
  }

  /** Keys of instances that have files. */
  async list(): Promise<readonly string[]> {
    return readdir(this.#root);
  }
}

/** Returns the folder for instances' files if /run is on a disk. */
export function memoryFolder(runDirectory: string): string {
  return `/dev/shm/berth-agent-${createHash('sha256').update(runDirectory).digest('hex').slice(0, 12)}`;
}

/** Writes a file, but keeps an existing one: a container may have it open. */
async function writeOnce(
  path: string,
  { mode, uid, gid }: FileUse,
  content: () => Promise<Uint8Array>,
): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  {
    await using file = await openPrivateFile(draft, 'wx');
    await file.writeFile(await content());
  }
  await chown(draft, Number(uid ?? 0), Number(gid ?? 0));
  await chmod(draft, mode);
  await rename(draft, path);
}
