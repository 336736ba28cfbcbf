import { randomUUID } from 'node:crypto';
import type { Knex } from 'knex';
import type { Digest } from '../../../oci/digest.ts';
import type { Descriptor } from '../../../oci/manifest.ts';
import type { BlobDriver, DriverUpload } from '../../../storage/blobs/blob-driver.ts';
import { inTransaction } from '../../../storage/catalog/transaction.ts';

/** A form in which a layer has been pulled or pushed: compressed, or plain. */
export interface LayerForm {
  readonly diffId: Digest;
  readonly blob: Pick<Descriptor, 'digest' | 'mediaType' | 'size'>;
}

/** A form that was compressed on this host. Times are milliseconds since 1970. */
export interface MadeForm extends LayerForm {
  readonly madeAt: number;
  /** When it was last made or pushed. */
  readonly seenAt: number;
}

/** A repository where a blob has been seen. */
export interface BlobPlace {
  readonly registry: string;
  readonly repository: string;
}

/** Maximum places that are remembered for one blob. */
const MAX_PLACES = 8;

/**
 * The registries' descriptors of compressed layers, and their bytes, so that an image is pushed with the digests that
 * it was pulled with. Bytes may be missing; descriptors stay as long as the layer. `driver` also stores manifests and
 * configurations.
 */
export class LayerBlobs {
  readonly #knex: Knex;
  readonly #driver: BlobDriver;
  readonly #keep: boolean;

  /** `knex` has the tables of imageMigrations. `keep`: whether bytes of pulled layers are stored. */
  constructor(knex: Knex, driver: BlobDriver, { keep }: { readonly keep: boolean }) {
    this.#knex = knex;
    this.#driver = driver;
    this.#keep = keep;
  }

  /** Lists every form of a layer, the latest first. */
  async forms(diffId: Digest): Promise<readonly LayerForm['blob'][]> {
    const rows = await this.#knex<FormRow>('layer_blobs')
      .where({ diff_id: diffId })
      .orderBy('seen_at', 'desc');
    return rows.map(({ digest, media_type: mediaType, size }) => ({ digest, mediaType, size }));
  }

  /** Lists repositories of a registry where a blob has been seen, the latest first. */
  async repositories(digest: Digest, registry: string): Promise<readonly string[]> {
    return await this.#knex<PlaceRow>('layer_places')
      .where({ digest, registry })
      .orderBy('seen_at', 'desc')
      .pluck('repository');
  }

  /** Records forms, and that all of them exist at `place`. */
  async record(forms: readonly LayerForm[], place?: BlobPlace): Promise<void> {
    const now = Date.now();
    await inTransaction(this.#knex, async (trx) => {
      for (const { diffId, blob } of forms) {
        const { digest, mediaType, size } = blob;
        await trx('layer_blobs')
          .insert({ diff_id: diffId, digest, media_type: mediaType, size, seen_at: now })
          .onConflict(['diff_id', 'digest'])
          .merge(['media_type', 'seen_at']);
        if (place !== undefined)
          await insertPlace(trx, {
            digest,
            registry: place.registry,
            repository: place.repository,
            seen_at: now,
          });
      }
    });
  }

  /**
   * Stores the bytes of a pulled blob while they pass through, which the caller verifies; undefined if they are not
   * stored, or exist already.
   */
  async keeping(form: LayerForm): Promise<KeptContent | undefined> {
    // A plain layer is the tar that the layer store has.
    if (!this.#keep || form.blob.digest === form.diffId) return undefined;
    if ((await this.#driver.findBlobs(form.blob.digest)).length > 0) return undefined;
    return await KeptContent.begin(this.#driver, randomUUID());
  }

  /** Stores bytes that are produced here; `commit` names their digest. */
  async keepingNew(): Promise<KeptContent> {
    return await KeptContent.begin(this.#driver, randomUUID());
  }

  /** Like `record`, for a form that was made here, and can be made again. */
  async recordMade({ diffId, blob }: LayerForm): Promise<void> {
    const { digest, mediaType, size } = blob;
    const now = Date.now();
    const row: FormRow = {
      diff_id: diffId,
      digest,
      media_type: mediaType,
      size,
      seen_at: now,
      made_at: now,
    };
    await inTransaction(this.#knex, async (trx) => {
      await trx('layer_blobs')
        .insert(row)
        .onConflict(['diff_id', 'digest'])
        .merge(['media_type', 'seen_at', 'made_at']);
    });
  }

  /** Lists the forms that were made here and whose bytes are stored. */
  async made(): Promise<readonly MadeForm[]> {
    const rows = await this.#knex<FormRow>('layer_blobs').whereNotNull('made_at').orderBy('digest');
    const forms: MadeForm[] = [];
    for (const row of rows) {
      if (!(await this.has(row.digest))) continue;
      const { diff_id: diffId, digest, media_type: mediaType, size, seen_at: seenAt, made_at: madeAt } = row;
      forms.push({ diffId, blob: { digest, mediaType, size }, madeAt: Number(madeAt), seenAt });
    }
    return forms;
  }

  /** Deletes the bytes of a blob; its description stays. */
  async discard(digest: Digest): Promise<void> {
    for (const stored of await this.#driver.findBlobs(digest)) await this.#driver.deleteBlob(stored);
  }

  /** Reports whether the bytes of a blob are on this host. */
  async has(digest: Digest): Promise<boolean> {
    return (await this.#driver.findBlobs(digest)).length > 0;
  }

  /** Yields the bytes of a blob from `start` on. Throws BlobUnknownError. */
  async *read(
    blob: { readonly digest: Digest; readonly size: number },
    start: number,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const [stored] = await this.#driver.findBlobs(blob.digest);
    if (stored === undefined) throw new Error(`the bytes of ${blob.digest} are no longer here`);
    if (start >= stored.size) return;
    yield* await this.#driver.readBlob(stored, { start, end: stored.size - 1 }, signal);
  }

  /** Forgets a removed layer, and deletes bytes that no other layer uses. */
  async forget(diffId: Digest): Promise<void> {
    const lost = await inTransaction(this.#knex, async (trx) => {
      const digests: Digest[] = await trx<FormRow>('layer_blobs').where({ diff_id: diffId }).pluck('digest');
      await trx('layer_blobs').where({ diff_id: diffId }).delete();
      const others: Digest[] = await trx<FormRow>('layer_blobs').whereIn('digest', digests).pluck('digest');
      const gone = digests.filter((digest) => !others.includes(digest));
      await trx('layer_places').whereIn('digest', gone).delete();
      return gone;
    });
    for (const digest of lost) await this.discard(digest);
  }
}

interface FormRow {
  readonly diff_id: Digest;
  readonly digest: Digest;
  readonly media_type: string;
  readonly size: number;
  readonly seen_at: number;
  readonly made_at?: number | null;
}

interface PlaceRow extends BlobPlace {
  readonly digest: Digest;
  readonly seen_at: number;
}

async function insertPlace(trx: Knex.Transaction, row: PlaceRow): Promise<void> {
  const { digest } = row;
  await trx('layer_places').insert(row).onConflict(['digest', 'registry', 'repository']).merge(['seen_at']);
  const oldest = await trx<PlaceRow>('layer_places')
    .where({ digest })
    .orderBy('seen_at', 'desc')
    .offset(MAX_PLACES)
    .limit(1000);
  for (const { registry, repository } of oldest) {
    await trx('layer_places').where({ digest, registry, repository }).delete();
  }
}

/** Content that is stored while it passes through, and becomes a blob once its digest is known. */
export class KeptContent {
  readonly #driver: BlobDriver;
  readonly #begun: DriverUpload;
  readonly #handover = new Handover();
  readonly #stored: Promise<DriverUpload>;

  private constructor(driver: BlobDriver, begun: DriverUpload) {
    this.#driver = driver;
    this.#begun = begun;
    this.#stored = driver.appendUpload(begun, this.#handover);
    // `pass` and `commit` report the failure.
    this.#stored.catch(() => undefined);
  }

  static async begin(driver: BlobDriver, id: string): Promise<KeptContent> {
    return new KeptContent(driver, await driver.beginUpload(id));
  }

  /**
   * Passes chunks on while they are stored. A chunk is valid until the next one is requested; this also applies to
   * chunks of `content`. Fails with errors of the disk.
   */
  async *pass(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      const taken = this.#handover.give(chunk);
      yield chunk;
      await taken;
      if (this.#handover.isLeft) await this.#stored;
    }
    this.#handover.end();
  }

  /** Makes everything that has passed through the blob of `digest`, which the caller has verified. */
  async commit(digest: Digest): Promise<void> {
    await this.#driver.commitUpload(await this.#stored, digest);
  }

  /** Deletes uncommitted content. */
  async close(): Promise<void> {
    this.#handover.end();
    await this.#stored.catch(() => undefined);
    await this.#driver.abortUpload(this.#begun);
  }
}

/** Passes chunks to one reader, who uses their memory until the next one is requested. */
class Handover implements AsyncIterable<Uint8Array> {
  #chunk: Uint8Array | undefined;
  #isEnded = false;
  #isLeft = false;
  #onChange: (() => void) | undefined;
  #onTaken: (() => void) | undefined;

  /** Whether the reader has stopped before the end. */
  get isLeft(): boolean {
    return this.#isLeft;
  }

  /** Resolves when the reader has consumed the chunk, or has left. One at a time. */
  async give(chunk: Uint8Array): Promise<void> {
    if (this.#isLeft) return;
    const taken = new Promise<void>((resolve) => {
      this.#onTaken = resolve;
    });
    this.#chunk = chunk;
    this.#onChange?.();
    await taken;
  }

  /** Ends the stream. */
  end(): void {
    this.#isEnded = true;
    this.#onChange?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        while (this.#chunk === undefined) {
          if (this.#isEnded) return;
          await new Promise<void>((resolve) => {
            this.#onChange = resolve;
          });
        }
        yield this.#chunk;
        this.#chunk = undefined;
        this.#onTaken?.();
      }
    } finally {
      this.#isLeft = true;
      this.#onTaken?.();
    }
  }
}
