import assert from 'node:assert/strict';
import knexOf, { type Knex } from 'knex';
import type { Digest } from '../../../../../oci/digest.ts';
import { BlobStore } from '../../../../../storage/blobs/blob-store.ts';
import type { Catalog, ManifestCatalog } from '../../../../../storage/catalog/catalog.ts';
import { cacheStatements, type PreparingConnection } from '../../../../../storage/catalog/database.ts';
import { openCatalog } from '../../../../../storage/catalog/knex-catalog.ts';
import { ContentStore } from '../../../../../storage/content-store.ts';
import { MemoryBlobDriver, MemoryDisk } from '../../../../support/memory-blob-driver.ts';
import type { Actor } from './interleaving.ts';

/** The connection under knex: what is asked in between steps need not wait. */
interface Database {
  prepare(sql: string): { all(): readonly unknown[]; run(): unknown };
}

interface BlobRow {
  readonly digest: string;
  readonly location: string;
  readonly size: number;
}

interface TagRow {
  readonly repository: string;
  readonly name: string;
  readonly manifest_digest: string;
}

/** Those that refer to others first. */
const TABLES = [
  'leases',
  'tag_history',
  'tags',
  'manifest_references',
  'manifests',
  'blob_links',
  'blobs',
  'uploads',
  'repositories',
];

/** The registry's storage: the real catalog over SQLite in memory, and a disk in memory. */
export class World {
  readonly knex: Knex;
  readonly catalog: Catalog;
  readonly disk = new MemoryDisk();
  /** What the registry has answered for: `repository:tag` and the manifest it must lead to. */
  readonly promised = new Map<string, Digest>();

  readonly #database: Database;

  private constructor(knex: Knex, catalog: Catalog, database: Database) {
    this.knex = knex;
    this.catalog = catalog;
    this.#database = database;
  }

  static async open(): Promise<World> {
    const knex = knexOf({
      client: 'better-sqlite3',
      connection: { filename: ':memory:' },
      useNullAsDefault: true,
      pool: {
        min: 1,
        max: 1,
        afterCreate: (connection: PreparingConnection, done: (error: unknown, made: unknown) => void) => {
          cacheStatements(connection, 500);
          done(undefined, connection);
        },
      },
    });
    await knex.raw('pragma foreign_keys = on');
    const catalog = await openCatalog(knex);
    const database: Database = await knex.client.acquireConnection();
    await knex.client.releaseConnection(database);
    return new World(knex, catalog, database);
  }

  /** Empties it, which is quicker than a new one. */
  clear(): void {
    for (const table of TABLES) this.#database.prepare(`delete from ${table}`).run();
    this.disk.files.clear();
    this.disk.uploads.clear();
    this.promised.clear();
  }

  /** The storage as a process has it in which each transaction and each change of the disk is a step of `actor`. */
  processOf(actor: Actor): {
    readonly catalog: Catalog;
    readonly blobs: BlobStore;
    readonly content: ContentStore;
  } {
    const catalog: Catalog = {
      ...this.catalog,
      repositories: actor.stepping(this.catalog.repositories, 'repositories'),
      blobs: actor.stepping(this.catalog.blobs, 'blobs'),
      manifests: actor.stepping(this.#promising(), 'manifests'),
      tags: actor.stepping(this.catalog.tags, 'tags'),
      uploads: actor.stepping(this.catalog.uploads, 'uploads'),
      garbage: actor.stepping(this.catalog.garbage, 'garbage'),
      close: async () => {},
    };
    const driver = new MemoryBlobDriver(this.disk);
    for (const method of [
      'beginUpload',
      'commitUpload',
      'abortUpload',
      'deleteBlob',
      'storedSize',
    ] as const) {
      const real: (...args: never[]) => Promise<unknown> = driver[method].bind(driver);
      Object.assign(driver, {
        [method]: (...args: never[]) => actor.step(method, () => real(...args)),
      });
    }
    const blobs = new BlobStore(driver);
    return { catalog, blobs, content: new ContentStore(catalog, blobs) };
  }

  #rows<Row>(sql: string): readonly Row[] {
    return this.#database.prepare(sql).all() as readonly Row[];
  }

  /** Notes what tags must lead to from the moment on at which a manifest is recorded. */
  #promising(): ManifestCatalog {
    const { manifests } = this.catalog;
    return {
      put: async (repository, manifest, options) => {
        const blob = await manifests.put(repository, manifest, options);
        for (const tag of options.tags) this.promised.set(`${repository}:${tag}`, manifest.blob.digest);
        return blob;
      },
      delete: (repository, digest) => manifests.delete(repository, digest),
      find: (repository, reference) => manifests.find(repository, reference),
      listed: (repository, tag, page) => manifests.listed(repository, tag, page),
      findByDigest: (repository, digest) => manifests.findByDigest(repository, digest),
      findByTag: (repository, tag) => manifests.findByTag(repository, tag),
      referrers: (repository, digest, page) => manifests.referrers(repository, digest, page),
    };
  }

  /** Whatever has happened and wherever everybody stands: nothing that was answered for is lost. */
  checkPromises(): void {
    for (const { digest, location, size } of this.#rows<BlobRow>(
      'select digest, location, size from blobs',
    )) {
      assert.equal(this.disk.files.get(location)?.size, size, `the record of ${digest} has its file`);
    }
    const tags = this.#rows<TagRow>(
      'select r.name as repository, t.name, t.manifest_digest from tags t join repositories r on r.id = t.repository_id',
    );
    const found = new Map(tags.map((tag) => [`${tag.repository}:${tag.name}`, tag.manifest_digest]));
    for (const [name, digest] of this.promised) assert.equal(found.get(name), digest, `${name} is there`);
    const unlinked = this.#rows(
      'select r.kind, r.digest from manifest_references r left join blob_links l on l.repository_id = r.repository_id ' +
        "and l.digest = r.digest where l.digest is null and r.kind <> 'subject'",
    );
    assert.deepEqual(unlinked, [], 'all that manifests refer to is linked');
  }

  /** Nobody works any more and all garbage was collected: only what tags need is left. */
  async checkNothingLeft(): Promise<void> {
    const locations: readonly string[] = await this.knex('blobs').pluck('location');
    assert.deepEqual(new Set(this.disk.files.keys()), new Set(locations), 'no file without a record');
    assert.equal(this.disk.uploads.size, 0, 'no upload is left');
    assert.deepEqual(await this.knex('uploads'), []);
    const links = await this.knex('blob_links').select('repository_id', 'digest');
    const manifests = await this.knex('manifests').select('repository_id', 'digest', 'subject');
    const references = await this.knex('manifest_references');
    const tags = await this.knex('tags');
    const key = (row: { repository_id: number }, digest: string) => `${row.repository_id} ${digest}`;
    const needed = new Set<string>(tags.map((tag) => key(tag, tag.manifest_digest)));
    for (let size = -1; size !== needed.size; ) {
      size = needed.size;
      for (const reference of references) {
        if (reference.kind !== 'subject' && needed.has(key(reference, reference.manifest_digest))) {
          needed.add(key(reference, reference.digest));
        }
      }
      for (const manifest of manifests) {
        if (manifest.subject !== null && needed.has(key(manifest, manifest.subject))) {
          needed.add(key(manifest, manifest.digest));
        }
      }
    }
    assert.deepEqual(
      new Set(links.map((link) => key(link, link.digest))),
      needed,
      'what is linked is needed',
    );
    const linked = new Set(links.map(({ digest }) => digest));
    for (const digest of await this.knex('blobs').pluck('digest')) assert.ok(linked.has(digest));
  }
}
