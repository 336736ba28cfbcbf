import { SettingInvalidError } from '../../auth/errors.ts';
import { Semaphore } from '../../lib/sync/semaphore.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Manifest } from '../../oci/manifest.ts';
import { isIndex } from '../../oci/media-types.ts';
import type { BrowseCatalog, BrowsedManifest } from '../../storage/catalog/browse/browse-catalog.ts';
import { unknownManifest } from '../../storage/errors.ts';
import type { DifferenceView, FileChangesView, MemberView } from './browse.ts';
import { type Compared, differenceOf } from './difference.ts';
import { FILE_LIMITS, FilesUnreadError, fileChanges, LayerFiles } from './file-changes.ts';
import { configOf, layersOf, membersOf, parseContent } from './manifest-parts.ts';
import { type ImageSbom, packageChanges, sbomsOf } from './package-changes.ts';
import { type ContentReader, LARGEST_MANIFEST } from './read-content.ts';

/** The key of an image that is not a member of an index. */
const ANY = '';
/** The annotation of BuildKit's attestations that names the image of the index that they are about. */
const ATTESTED = 'vnd.docker.reference.digest';

/** Maximum milliseconds of reading layers for one answer. */
const LONGEST_READING = 20_000;
const MOST_WAITING = 8;

/** The images of a tag or digest by platform, with ANY for one that is an image itself, and their attestations. */
interface Images {
  readonly digest: Digest;
  readonly byPlatform: ReadonlyMap<string, Digest>;
  readonly attestations: ReadonlyMap<string, MemberView>;
}

/** Compares images of a repository that the visitor may see. */
export class ImageComparison {
  readonly #browse: Pick<BrowseCatalog, 'manifest' | 'referrers'>;
  readonly #content: ContentReader;
  /** Files are compared one after the other. */
  readonly #reading = new Semaphore(1);
  #waiting = 0;

  constructor(browse: Pick<BrowseCatalog, 'manifest' | 'referrers'>, content: ContentReader) {
    this.#browse = browse;
    this.#content = content;
  }

  /**
   * Compares two images; of two indexes those of `platform`, or of the first platform of `from` that both have. Throws
   * SettingInvalidError if there is none, ManifestUnknownError.
   */
  async difference(
    repository: string,
    from: BrowsedManifest,
    to: BrowsedManifest,
    platform: string | undefined,
  ): Promise<DifferenceView> {
    const { after, before, common, one, other } = await this.#sides(repository, from, to, platform);
    const difference = differenceOf(
      await this.#compared(repository, one),
      await this.#compared(repository, other),
    );
    const packages = packageChanges(
      await this.#sboms(repository, one, before),
      await this.#sboms(repository, other, after),
    );
    return { ...difference, packages, ...(common !== undefined && { platform: common }) };
  }

  /**
   * Returns the files that differ by the layers that the images do not share. Throws as `difference`, and the signal's
   * reason.
   */
  async files(
    repository: string,
    from: BrowsedManifest,
    to: BrowsedManifest,
    platform: string | undefined,
    signal: AbortSignal,
  ): Promise<FileChangesView> {
    const { common, one, other } = await this.#sides(repository, from, to, platform);
    const before = (await this.#compared(repository, one)).layers;
    const after = (await this.#compared(repository, other)).layers;
    const head = { from: one, to: other, ...(common !== undefined && { platform: common }) };
    const time = AbortSignal.timeout(LONGEST_READING);
    const either = AbortSignal.any([signal, time]);
    try {
      if (this.#waiting >= MOST_WAITING)
        throw new FilesUnreadError('other comparisons of files are running: try again later');
      this.#waiting += 1;
      const changes = await this.#reading
        .hold(either, async () => {
          const files = new LayerFiles(FILE_LIMITS, either);
          const unshared = (all: typeof before, others: typeof before) =>
            all
              .filter(({ digest }) => !others.some((layer) => layer.digest === digest))
              .map(
                ({ digest }) =>
                  () =>
                    this.#open(repository, digest, either),
              );
          return fileChanges(
            await files.read(unshared(before, after)),
            await files.read(unshared(after, before)),
          );
        })
        .finally(() => {
          this.#waiting -= 1;
        });
      return { ...head, ...changes };
    } catch (error) {
      signal.throwIfAborted();
      const problem = time.aborted
        ? `the layers that differ take longer to read than ${LONGEST_READING / 1000} seconds`
        : error instanceof FilesUnreadError
          ? error.message
          : undefined;
      if (problem === undefined) throw error;
      return { ...head, problem, added: 0, removed: 0, changed: 0, changes: [] };
    }
  }

  async #open(repository: string, digest: Digest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const body = await this.#content.stream(repository, digest, signal);
    if (typeof body === 'string') throw new FilesUnreadError(body);
    return body;
  }

  async #sides(repository: string, from: BrowsedManifest, to: BrowsedManifest, platform: string | undefined) {
    const [before, after] = [await this.#images(repository, from), await this.#images(repository, to)];
    const common =
      platform ??
      [...before.byPlatform.keys()].find(
        (name) => name !== ANY && (after.byPlatform.has(name) || after.byPlatform.has(ANY)),
      );
    return { before, after, common, one: imageOf(before, common), other: imageOf(after, common) };
  }

  async #images(repository: string, found: BrowsedManifest): Promise<Images> {
    const { digest, mediaType } = found;
    const byPlatform = new Map<string, Digest>();
    const attestations = new Map<string, MemberView>();
    if (!isIndex(mediaType)) byPlatform.set(ANY, digest);
    else {
      for (const member of membersOf(await this.#read(repository, found), new Map())) {
        const { annotations, platform } = member;
        const about = annotations[ATTESTED];
        if (about !== undefined) attestations.set(about, member);
        else if (platform !== undefined && !byPlatform.has(platform)) byPlatform.set(platform, member.digest);
      }
    }
    return { digest, byPlatform, attestations };
  }

  async #compared(repository: string, digest: Digest): Promise<Compared> {
    const found = await this.#browse.manifest(repository, { digest });
    if (found === undefined) throw unknownManifest(repository, { digest });
    const manifest = await this.#read(repository, found);
    const config = await configOf(this.#content, repository, manifest);
    return { digest, layers: layersOf(manifest, []), config: config?.view };
  }

  #sboms(repository: string, image: Digest, { attestations }: Images): Promise<readonly ImageSbom[]> {
    const parts = { browse: this.#browse, content: this.#content };
    return sbomsOf(parts, repository, image, attestations.get(image));
  }

  /** Throws SettingInvalidError if it cannot be read. */
  async #read(repository: string, { digest, mediaType }: BrowsedManifest): Promise<Manifest> {
    const body = await this.#content.manifestOf(repository, digest, LARGEST_MANIFEST);
    const manifest = parseContent(body, mediaType);
    if (typeof manifest === 'string') throw new SettingInvalidError(manifest);
    return manifest;
  }
}

/** Throws SettingInvalidError. */
function imageOf({ byPlatform, digest }: Images, platform: string | undefined): Digest {
  const image = byPlatform.get(ANY) ?? (platform === undefined ? undefined : byPlatform.get(platform));
  if (image !== undefined) return image;
  throw new SettingInvalidError(
    `"platform": ${digest} has no image for ${platform ?? 'a platform that both have'}, but for ` +
      `${[...byPlatform.keys()].slice(0, 20).join(', ') || 'none'}`,
  );
}
