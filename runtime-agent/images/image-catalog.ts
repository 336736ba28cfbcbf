import type { Knex } from 'knex';
import type { Digest } from '../../oci/digest.ts';
import { type ImageConfig, MAX_CONFIG_SIZE, readImageConfig } from '../../oci/image-config.ts';
import { MAX_MANIFEST_SIZE } from '../../oci/manifest.ts';
import { fullReference } from '../../oci/reference.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import { inTransaction } from '../../storage/catalog/transaction.ts';
import { EngineError } from '../errors.ts';
import {
  type DigestName,
  type ImageName,
  type ImageRecord,
  isTagName,
  type TagName,
} from './image-record.ts';

/** An image whose layers are all on this host. */
export interface NewImage {
  readonly id: Digest;
  readonly configBytes: Uint8Array;
  readonly manifestDigest: Digest;
  readonly manifestBytes: Uint8Array;
  readonly size: number;
  readonly names: readonly ImageName[];
  /** The parent image of a commit. */
  readonly parent?: Digest;
}

/** The images of this host: names in SQLite, manifests and configurations as blobs. */
export class ImageCatalog {
  readonly #knex: Knex;
  readonly #blobs: BlobStore;
  readonly #configs = new Map<Digest, ImageConfig>();
  /** Cached records, until one changes: only this object writes these tables. */
  #records: readonly ImageRecord[] | undefined;
  #changes = 0;

  /** `knex` has the tables of imageMigrations. */
  constructor(knex: Knex, blobs: BlobStore) {
    this.#knex = knex;
    this.#blobs = blobs;
  }

  /** Lists every image with its names, which are sorted by the registry, as dockerd lists them. */
  async list(): Promise<readonly ImageRecord[]> {
    if (this.#records !== undefined) return this.#records;
    const changes = this.#changes;
    const records = await this.#read();
    if (changes === this.#changes) this.#records = records;
    return records;
  }

  /** Returns the configuration of an image of this host; undefined when there is none. */
  async findConfig(id: Digest): Promise<Uint8Array | undefined> {
    const blob = await this.#blobs.find(id);
    return blob === undefined ? undefined : await this.#blobs.readAll(blob, MAX_CONFIG_SIZE);
  }

  /** Returns the manifest of an image of this host. Throws EngineError 'not-found' when it is lost. */
  async readManifest(digest: Digest): Promise<Uint8Array> {
    const blob = await this.#blobs.find(digest);
    if (blob !== undefined) return await this.#blobs.readAll(blob, MAX_MANIFEST_SIZE);
    throw new EngineError('not-found', `the manifest ${digest} is not on this host: pull the image again`);
  }

  /** Records an image, or adds names to an existing one; names of other images move to it. */
  async put(image: NewImage): Promise<void> {
    await Promise.all([
      this.#keepBlob(image.id, image.configBytes),
      this.#keepBlob(image.manifestDigest, image.manifestBytes),
    ]);
    await this.#change(async (trx) => {
      await trx('images')
        .insert({
          id: image.id,
          manifest_digest: image.manifestDigest,
          size: image.size,
          pulled_at: Date.now(),
          parent: image.parent ?? null,
        })
        .onConflict('id')
        .merge(['manifest_digest', 'size', 'pulled_at']);
      for (const name of image.names) await insertName(trx, image.id, name);
    });
  }

  /** Tags an image; another image with that name loses it. */
  async addName(id: Digest, name: ImageName): Promise<void> {
    await this.#change(async (trx) => {
      await insertName(trx, id, name);
      await trx('images').where({ id }).update({ tagged_at: Date.now() });
    });
  }

  /** Removes names, and with `id` also deletes the image with its blobs; all or nothing. */
  async remove(names: readonly ImageName[], id?: Digest): Promise<void> {
    await this.#change(async (trx) => {
      for (const name of names) {
        await trx(isTagName(name) ? 'image_tags' : 'image_digests')
          .where({ ...name })
          .delete();
      }
      if (id !== undefined) await trx('images').where({ id }).delete();
    });
    if (id !== undefined) {
      this.#configs.delete(id);
      await this.sweepBlobs();
    }
  }

  /** Deletes unreferenced blobs: leftovers of a crash, or of a pull that another one overtook. */
  async sweepBlobs(): Promise<void> {
    const rows = await this.#knex<ImageRow>('images').select('id', 'manifest_digest');
    const layers: Digest[] = await this.#knex('layer_blobs').pluck('digest');
    const used = new Set([...rows.flatMap((row) => [row.id, row.manifest_digest]), ...layers]);
    for await (const blob of this.#blobs.list()) {
      // A duplicate of a blob is useless too.
      if (!used.delete(blob.digest)) await this.#blobs.delete(blob);
    }
  }

  async #read(): Promise<readonly ImageRecord[]> {
    const [rows, tags, digests] = await this.#knex.transaction(async (trx) => [
      await trx<ImageRow>('images')
        .select('id', 'manifest_digest', 'size', 'tagged_at', 'parent')
        .orderBy('id'),
      await trx<TagRow>('image_tags').select('image_id', 'registry', 'repository', 'tag'),
      await trx<DigestRow>('image_digests').select('image_id', 'registry', 'repository', 'digest'),
    ]);
    const names = new Map<Digest, ImageName[]>(rows.map(({ id }) => [id, []]));
    for (const { image_id, ...name } of [...tags, ...digests]) names.get(image_id)?.push(name);
    const records: ImageRecord[] = [];
    for (const row of rows) {
      const config = await this.#config(row.id);
      // An image without its configuration is ignored; pulling it again restores it.
      if (config === undefined) continue;
      const { id, manifest_digest: manifestDigest, size, tagged_at: taggedAt, parent } = row;
      records.push({
        id,
        manifestDigest,
        size,
        names: sorted(names.get(id) ?? []),
        config,
        ...(taggedAt === null ? {} : { taggedAt }),
        // The ID of a removed parent would be useless.
        ...(parent !== null && names.has(parent) ? { parent } : {}),
      });
    }
    return records;
  }

  async #change(work: (trx: Knex.Transaction) => Promise<void>): Promise<void> {
    try {
      await inTransaction(this.#knex, work);
    } finally {
      this.#changes += 1;
      this.#records = undefined;
    }
  }

  async #keepBlob(digest: Digest, bytes: Uint8Array): Promise<void> {
    if ((await this.#blobs.find(digest)) === undefined) await this.#blobs.put(bytes, digest);
  }

  async #config(id: Digest): Promise<ImageConfig | undefined> {
    const known = this.#configs.get(id);
    if (known !== undefined) return known;
    const bytes = await this.findConfig(id);
    if (bytes === undefined) return undefined;
    const config = readImageConfig(bytes);
    this.#configs.set(id, config);
    return config;
  }
}

function sorted(names: readonly ImageName[]): readonly ImageName[] {
  const keyed = names.map((name) => ({ name, key: fullReference(name) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ name }) => name);
}

interface ImageRow {
  readonly id: Digest;
  readonly manifest_digest: Digest;
  readonly size: number;
  readonly tagged_at: number | null;
  readonly parent: Digest | null;
}

type TagRow = TagName & { readonly image_id: Digest };
type DigestRow = DigestName & { readonly image_id: Digest };

async function insertName(trx: Knex.Transaction, id: Digest, name: ImageName): Promise<void> {
  const [table, column] = isTagName(name) ? ['image_tags', 'tag'] : ['image_digests', 'digest'];
  await trx(table)
    .insert({ ...name, image_id: id })
    .onConflict(['registry', 'repository', column])
    .merge(['image_id']);
}
