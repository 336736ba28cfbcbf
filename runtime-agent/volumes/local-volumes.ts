import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, rename, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { removeTree } from '../../lib/linux/files/remove-tree.ts';
import { unmount } from '../../lib/linux/mount/mount.ts';
import { KeyedLock } from '../../lib/sync/semaphore.ts';
import { type Migration, migrate } from '../../storage/catalog/migrate.ts';
import { EngineError } from '../errors.ts';
import type { EventBus } from '../events/event-bus.ts';
import { ANONYMOUS_LABEL, type Volume, type VolumeRequest, type Volumes } from './volume.ts';
import { checkVolumeName, checkVolumeOptions, volumePlace } from './volume-options.ts';

const TABLE = 'volumes';
/** Name of the folder with a volume's content. */
const DATA = '_data';
/** Prefix of folders of removed volumes, until they are empty. No volume has such a name. */
const REMOVED = '.removed-';

interface Row {
  readonly name: string;
  readonly created_at: string;
  readonly labels: string;
  readonly options: string;
  readonly anonymous: number;
}

export interface VolumesDeps {
  readonly knex: Knex;
  readonly events: EventBus;
  /** The agent's own folder, which contains volumes/. */
  readonly dataDirectory: string;
  readonly log: Logger;
}

/**
 * Migrates the database, and completes interrupted removals. Content without a record, as after a loss of the database,
 * becomes a volume with its folder's name again.
 */
export async function openVolumes({ knex, events, dataDirectory, log }: VolumesDeps): Promise<Volumes> {
  const folder = join(dataDirectory, 'volumes');
  await migrate(knex, 'volume_migrations', VOLUME_MIGRATIONS);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const known = new Set((await knex(TABLE).select<{ name: string }[]>('name')).map(({ name }) => name));
  for (const name of await readdir(folder)) {
    if (known.has(name)) continue;
    if (name.startsWith(REMOVED)) await removeTree(join(folder, name));
    else if (await isEmpty(join(folder, name))) await removeEmpty(join(folder, name));
    else {
      await knex(TABLE).insert(newRow(name, { labels: {}, options: {}, anonymous: false }));
      log.warn({ volume: name }, 'a volume that the database does not know was found, without its labels');
    }
  }
  return new LocalVolumes(knex, events, folder);
}

/** Volumes as folders `volumes/NAME/_data`, equal to those of dockerd's driver `local`. */
class LocalVolumes implements Volumes {
  readonly #knex: Knex;
  readonly #events: EventBus;
  readonly #folder: string;
  readonly #locks = new KeyedLock();
  readonly #users = new Map<string, Set<string>>();

  constructor(knex: Knex, events: EventBus, folder: string) {
    this.#knex = knex;
    this.#events = events;
    this.#folder = folder;
  }

  create(request: VolumeRequest): Promise<Volume> {
    const name = request.name || randomBytes(32).toString('hex');
    return this.#locks.run(name, () => this.#findOrMake(name, request));
  }

  acquire(request: VolumeRequest, containerId: string): Promise<Volume> {
    const name = request.name || randomBytes(32).toString('hex');
    return this.#locks.run(name, async () => {
      const volume = await this.#findOrMake(name, request);
      this.resume(name, containerId);
      return volume;
    });
  }

  resume(name: string, containerId: string): void {
    const users = this.#users.get(name) ?? new Set();
    this.#users.set(name, users.add(containerId));
  }

  release(name: string, containerId: string): void {
    const users = this.#users.get(name);
    users?.delete(containerId);
    if (users?.size === 0) this.#users.delete(name);
  }

  async get(name: string): Promise<Volume> {
    const volume = await this.#find(name);
    if (volume === undefined) throw noSuchVolume(name);
    return volume;
  }

  async list(): Promise<readonly Volume[]> {
    const rows: Row[] = await this.#knex(TABLE).select().orderBy('name');
    return rows.map((row) => this.#fromRow(row));
  }

  users(name: string): readonly string[] {
    return [...(this.#users.get(name) ?? [])];
  }

  remove(name: string, force: boolean): Promise<void> {
    return this.#locks.run(name, async () => {
      const volume = await this.#find(name);
      if (volume === undefined) {
        if (force) return;
        throw noSuchVolume(name);
      }
      const users = this.users(name);
      if (users.length > 0) {
        throw new EngineError(
          'conflict',
          `remove ${name}: volume is in use - [${users.join(', ')}]: remove those containers first`,
        );
      }
      // A mounted file system, such as a network share, must not be deleted with the folder.
      if (volumePlace(volume.options).kind === 'mount') {
        while (await unmount(volume.mountpoint, { detach: true }));
      }
      const removed = join(this.#folder, `${REMOVED}${randomBytes(8).toString('hex')}`);
      await this.#knex(TABLE).where({ name }).delete();
      // A new volume with this name gets its own folder, however long the removal takes.
      await rename(join(this.#folder, name), removed);
      this.#events.publish({
        type: 'volume',
        action: 'destroy',
        id: name,
        attributes: { driver: 'local' },
      });
      await removeTree(removed);
    });
  }

  async #findOrMake(name: string, request: VolumeRequest): Promise<Volume> {
    const { driver = '', labels = {}, options = {} } = request;
    if (driver !== '' && driver !== 'local') {
      throw new EngineError(
        'not-found',
        `create ${name}: volume driver "${driver.slice(0, 80)}" not found: use local`,
      );
    }
    const known = await this.#find(name);
    if (known !== undefined) return known;
    if (request.mustExist) throw noSuchVolume(name);
    checkVolumeName(name);
    checkVolumeOptions(name, options);
    const anonymous = !request.name;
    const row = newRow(name, { labels, options, anonymous });
    const data = join(this.#folder, name, DATA);
    await mkdir(data, { recursive: true, mode: 0o700 });
    // Containers see the inner folder, whatever the agent's umask; the outer one denies access to users of the host.
    await chmod(data, 0o755);
    await this.#knex(TABLE).insert(row);
    this.#events.publish({ type: 'volume', action: 'create', id: name, attributes: { driver: 'local' } });
    return this.#fromRow(row);
  }

  async #find(name: string): Promise<Volume | undefined> {
    const row: Row | undefined = await this.#knex(TABLE).where({ name }).first();
    return row && this.#fromRow(row);
  }

  #fromRow(row: Row): Volume {
    const options = JSON.parse(row.options) as Readonly<Record<string, string>>;
    const place = volumePlace(options);
    return {
      name: row.name,
      createdAt: row.created_at,
      labels: JSON.parse(row.labels) as Readonly<Record<string, string>>,
      options,
      anonymous: row.anonymous !== 0,
      mountpoint: place.kind === 'folder' ? place.folder : join(this.#folder, row.name, DATA),
    };
  }
}

function newRow(
  name: string,
  { labels, options, anonymous }: Pick<Volume, 'labels' | 'options' | 'anonymous'>,
): Row {
  return {
    name,
    created_at: `${new Date().toISOString().slice(0, 19)}Z`,
    labels: JSON.stringify(anonymous ? { ...labels, [ANONYMOUS_LABEL]: '' } : labels),
    options: JSON.stringify(options),
    anonymous: Number(anonymous),
  };
}

/** Reports whether the folder of a volume has no content, as after an interrupted creation. */
async function isEmpty(folder: string): Promise<boolean> {
  try {
    return (await readdir(join(folder, DATA))).length === 0;
  } catch (error) {
    if (NOTHING_THERE.has((error as NodeJS.ErrnoException).code)) return true;
    throw error;
  }
}

/** Never recursive: foreign files stay. */
async function removeEmpty(folder: string): Promise<void> {
  for (const path of [join(folder, DATA), folder]) {
    await rmdir(path).catch((error: NodeJS.ErrnoException) => {
      if (!NOTHING_THERE.has(error.code) && error.code !== 'ENOTEMPTY') throw error;
    });
  }
}

const NOTHING_THERE: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR']);

function noSuchVolume(name: string): EngineError {
  return new EngineError('not-found', `get ${name.slice(0, 300)}: no such volume`);
}

/** The schema of the volumes. */
const VOLUME_MIGRATIONS: readonly Migration[] = [
  {
    name: '0001-volumes',
    async up(knex) {
      await knex.schema.createTable('volumes', (table) => {
        table.string('name', 255).primary();
        table.text('created_at').notNullable();
        table.text('labels').notNullable();
        table.text('options').notNullable();
        table.boolean('anonymous').notNullable();
      });
    },
  },
];
