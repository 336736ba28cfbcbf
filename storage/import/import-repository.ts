import { concurrently } from '../../lib/sync/concurrently.ts';
import { Semaphore } from '../../lib/sync/semaphore.ts';
import type { Digest } from '../../oci/digest.ts';
import { ManifestInvalidError } from '../../oci/errors.ts';
import { refuseAmbiguousJson } from '../../oci/json.ts';
import { isForeign, MAX_MANIFEST_SIZE, type Manifest, readManifest } from '../../oci/manifest.ts';
import { isTag } from '../../oci/reference.ts';
import type { ManifestRecord } from '../catalog/catalog.ts';
import { recordedFields } from '../content-store.ts';
import { BlobUnknownError, ManifestBlobUnknownError } from '../errors.ts';
import { type ImportEnds, type ImportReport, importBlob } from './import-blob.ts';
import { SourceContentError } from './import-source.ts';

/** Attempts to import a manifest whose blobs garbage collection removes first. Each fetches only what is missing. */
const ATTEMPTS = 20;

export interface RepositoryImport extends ImportEnds {
  readonly repository: string;
  /** Whether to import manifests without a tag too. */
  readonly untagged: boolean;
  /** Concurrent reads from the source. */
  readonly jobs: number;
  readonly report: ImportReport;
  readonly onProblem: (problem: string) => void;
  /** Called when tags have been set. */
  readonly onTagged: (repository: string, manifest: Manifest) => Promise<void>;
  readonly signal: AbortSignal;
}

interface ReadManifest {
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
}

/**
 * Imports one repository: first blobs are linked, then come the members of indexes, the indexes, their tags, and the
 * referrers, so that garbage collection never finds any of it unused for long.
 */
export class RepositoryImporter {
  readonly #run: RepositoryImport;
  readonly #reads: Semaphore;
  /** Whether each manifest could be imported; each is tried once. */
  readonly #manifests = new Map<Digest, Promise<boolean>>();
  readonly #blobs = new Map<Digest, Promise<void>>();
  #unvisited: Digest[] = [];

  constructor(run: RepositoryImport) {
    this.#run = run;
    this.#reads = new Semaphore(run.jobs);
  }

  /** Throws SourceContentError when the tags cannot be listed, SourceUnavailableError, StorageFullError. */
  async run(): Promise<void> {
    const { source, repository, untagged, jobs, signal } = this.#run;
    const roots = await this.#tagsByDigest();
    await concurrently(roots, jobs, async ([digest, tags]) => {
      await this.#once(digest, tags);
    });
    if (untagged) {
      await concurrently(source.manifests(repository, signal) ?? [], jobs, async (digest) => {
        await this.#once(digest, []);
      });
    }
    while (this.#unvisited.length > 0) {
      const subjects = this.#unvisited;
      this.#unvisited = [];
      await concurrently(subjects, jobs, (subject) => this.#bringReferrers(subject));
    }
  }

  async #tagsByDigest(): Promise<ReadonlyMap<Digest, readonly string[]>> {
    const { source, repository, jobs, signal } = this.#run;
    const found = new Map<Digest, string[]>();
    await concurrently(source.tags(repository, signal), jobs, async (tag) => {
      if (!isTag(tag)) {
        this.#run.onProblem(`${repository}: ${JSON.stringify(tag.slice(0, 160))} is not a tag`);
        return;
      }
      await this.#orProblem(`${repository}:${tag}`, async () => {
        const digest = await source.resolveTag(repository, tag, signal);
        if (digest !== undefined) found.set(digest, [...(found.get(digest) ?? []), tag]);
      });
    });
    return found;
  }

  async #bringReferrers(subject: Digest): Promise<void> {
    const { source, repository, jobs, signal } = this.#run;
    await this.#orProblem(`referrers of ${repository}@${subject}`, async () => {
      const referrers = await this.#reads.hold(signal, () => source.referrers(repository, subject, signal));
      await concurrently(referrers, jobs, async (digest) => {
        await this.#once(digest, []);
      });
    });
  }

  #once(digest: Digest, tags: readonly string[]): Promise<boolean> {
    const known = this.#manifests.get(digest);
    // A member of an index may have its own tags, imported earlier or later.
    if (known !== undefined && tags.length === 0) return known;
    const { repository } = this.#run;
    const names = tags.length === 0 ? [`${repository}@${digest}`] : tags.map((tag) => `${repository}:${tag}`);
    const brought = this.#orProblem(names.join(', '), async () => {
      await known;
      await this.#bring(digest, tags);
      if (known === undefined) this.#unvisited.push(digest);
    });
    this.#manifests.set(digest, brought);
    return brought;
  }

  async #bring(digest: Digest, tags: readonly string[]): Promise<void> {
    const { catalog, repository, report } = this.#run;
    const missingTags: string[] = [];
    for (const tag of tags) {
      const current = await catalog.manifests.find(repository, { tag });
      if (current?.blob.digest !== digest) missingTags.push(tag);
    }
    const record = await catalog.manifests.findByDigest(repository, digest);
    if (record !== undefined && missingTags.length === 0) {
      const members = record.references.filter(({ kind }) => kind === 'manifest');
      await this.#bringMembers(members);
    } else {
      const read = (record && (await this.#readHere(record))) ?? (await this.#readThere(digest));
      await this.#put(digest, read, missingTags);
    }
    if (record === undefined) report.manifests += 1;
    report.tags += tags.length;
  }

  async #put(digest: Digest, { bytes, manifest }: ReadManifest, tags: readonly string[]): Promise<void> {
    const { content, repository, signal } = this.#run;
    for (let attempt = 1; ; attempt += 1) {
      const whole = await this.#bringMembers(manifest.manifests);
      await this.#bringBlobs(manifest);
      try {
        await content.putManifest(
          repository,
          { bytes, digest, ...recordedFields(manifest) },
          { tags, requireManifests: whole },
          signal,
        );
        break;
      } catch (error) {
        // Garbage collection with a short grace period was faster.
        if (!(error instanceof ManifestBlobUnknownError) || attempt === ATTEMPTS) throw error;
        this.#blobs.clear();
        for (const member of manifest.manifests) this.#manifests.delete(member.digest);
      }
    }
    if (tags.length > 0) await this.#run.onTagged(repository, manifest);
  }

  /** Returns undefined when its file was lost. */
  async #readHere({ blob, mediaType }: ManifestRecord): Promise<ReadManifest | undefined> {
    try {
      const bytes = await this.#run.blobs.readAll(blob, MAX_MANIFEST_SIZE);
      return { bytes, manifest: readManifest(bytes, mediaType) };
    } catch (error) {
      if (error instanceof BlobUnknownError) return undefined;
      throw error;
    }
  }

  async #readThere(digest: Digest): Promise<ReadManifest> {
    const { source, repository, signal } = this.#run;
    const { bytes, mediaType } = await this.#reads.hold(signal, () =>
      source.readManifest(repository, digest, signal),
    );
    try {
      const manifest = readManifest(bytes, mediaType);
      await refuseAmbiguousJson(bytes, 'the manifest');
      return { bytes, manifest };
    } catch (cause) {
      if (!(cause instanceof ManifestInvalidError)) throw cause;
      throw new SourceContentError(`${digest} cannot be imported: ${cause.message}`, { cause });
    }
  }

  /** Returns whether all members of an index exist in this registry; problems with the others have been reported. */
  async #bringMembers(members: readonly { readonly digest: Digest }[]): Promise<boolean> {
    let whole = true;
    await concurrently(members, this.#run.jobs, async ({ digest }) => {
      if (!(await this.#once(digest, []))) whole = false;
    });
    return whole;
  }

  async #bringBlobs({ config, layers }: Manifest): Promise<void> {
    const blobs = [...(config === undefined ? [] : [config]), ...layers];
    await concurrently(blobs, this.#run.jobs, async (blob) => {
      const { report, repository, signal } = this.#run;
      const running =
        this.#blobs.get(blob.digest) ??
        this.#reads.hold(signal, () => importBlob(this.#run, repository, blob, report, signal));
      this.#blobs.set(blob.digest, running);
      try {
        await running;
      } catch (error) {
        // Such a layer may be stored elsewhere: a registry need not have it.
        if (!(error instanceof SourceContentError && isForeign(blob))) throw error;
      }
    });
  }

  /** Reports a failure, and continues; returns whether all went well. */
  async #orProblem(what: string, work: () => Promise<void>): Promise<boolean> {
    try {
      this.#run.signal.throwIfAborted();
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof SourceContentError || error instanceof ManifestBlobUnknownError)) throw error;
      this.#run.onProblem(`${what}: ${error.message}`);
      return false;
    }
  }
}
