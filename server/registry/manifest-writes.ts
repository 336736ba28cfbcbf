import { createHash } from 'node:crypto';
import { nameOf } from '../../auth/access/access.ts';
import { repositoryScope } from '../../auth/access/scope.ts';
import { type Digest, digestAlgorithm, parseDigest } from '../../oci/digest.ts';
import { ManifestInvalidError } from '../../oci/errors.ts';
import { refuseAmbiguousJson, refuseTooManyValues } from '../../oci/json.ts';
import { type Descriptor, MAX_MANIFEST_SIZE, type Manifest, readManifest } from '../../oci/manifest.ts';
import { parseTag } from '../../oci/reference.ts';
import { recordedFields } from '../../storage/content-store.ts';
import { DigestMismatchError, unknownManifest } from '../../storage/errors.ts';
import { RegistryError } from '../errors.ts';
import { answerEmpty, warning } from '../http/answer.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import { actorOf, authorize } from './authorize.ts';
import {
  type ManifestReferenceParameter,
  manifestReferenceOf,
  preconditionOf,
  queriesOf,
  queryOf,
  registryPath,
  repositoryOf,
} from './parameters.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';
import { recordDescription } from './repository-description.ts';

/** Maximum tags that one request can set (distribution-spec, "Pushing Manifests": at least 10). */
const MOST_TAGS = 100;

/**
 * Maximum references of a manifest: each is a row that is looked up and written while others wait. The largest indexes
 * in use have hundreds.
 */
const MOST_REFERENCES = 10_000;

/** Pushing and deleting manifests and tags (distribution-spec, "Pushing Manifests", "Deleting"). */
export function addManifestWriteRoutes(router: RequestRouter, dependencies: RegistryDependencies): void {
  const { access, catalog, content } = dependencies;

  router.put('/v2/*name/manifests/:reference', async (ctx) => {
    const repository = repositoryOf(ctx);
    authorize(ctx, access, repositoryScope(repository, 'push'));
    const reference = manifestReferenceOf(ctx);
    const tags = tagsToSet(ctx, reference);
    const expected = expectedDigest(ctx, reference);
    const expectation = preconditionOf(ctx);
    const precondition = expectation && {
      ...expectation,
      ...(reference.kind === 'tag' && { tag: reference.tag }),
    };
    const bytes = await ctx.state.bodies.read(ctx.req, ctx.res, MAX_MANIFEST_SIZE);
    if (bytes === undefined) {
      throw new RegistryError('MANIFEST_TOO_LARGE', `a manifest has at most ${MAX_MANIFEST_SIZE} bytes`);
    }
    const digest = digestOfManifest(bytes, expected);
    await refuseTooManyValues(bytes, 'the manifest');
    const manifest = readManifest(bytes, contentTypeOf(ctx));
    refuseTooManyReferences(manifest);
    await refuseAmbiguousJson(bytes, 'the manifest');
    const present = await presentSizes(dependencies, repository, manifest);
    refuseWrongSizes(manifest, present);
    await content.putManifest(
      repository,
      { bytes, digest, ...recordedFields(manifest) },
      // Members of an index may be pushed after it, or stay in another registry (a sparse index).
      {
        tags,
        requireManifests: false,
        by: actorOf(ctx, access, repository),
        ...(precondition && { precondition }),
      },
      ctx.state.signal,
    );
    dependencies.pushed?.(repository, tags, nameOf(ctx.state.identity) ?? '');
    if (tags.length > 0) await recordDescription(dependencies, repository, manifest);
    answerEmpty(ctx, 201, {
      Location: registryPath(ctx, `${repository}/manifests/${digest}`),
      'Docker-Content-Digest': digest,
      'OCI-Subject': manifest.subject?.digest,
      'OCI-Tag': reference.kind === 'digest' && tags.length > 0 ? tags.join(', ') : undefined,
      Warning: sparseWarning(repository, manifest, present),
    });
  });

  router.delete('/v2/*name/manifests/:reference', async (ctx) => {
    const repository = repositoryOf(ctx);
    authorize(ctx, access, repositoryScope(repository, 'delete'));
    const reference = manifestReferenceOf(ctx);
    const force = queryOf(ctx, 'force') === 'true';
    const by = { ...actorOf(ctx, access, repository), ...(force && { overrides: true as const }) };
    const precondition = preconditionOf(ctx);
    const deleted =
      reference.kind === 'digest'
        ? await catalog.manifests.delete(repository, reference.digest, by, precondition)
        : reference.kind === 'tag' &&
          (await catalog.tags.delete(repository, reference.tag, by, precondition));
    if (!deleted) throw unknownManifest(repository, reference);
    answerEmpty(ctx, 202);
  });
}

/** Returns the tag of the path, or the tags in the query of a push by digest, each once. */
function tagsToSet(ctx: RequestContext, reference: ManifestReferenceParameter): readonly string[] {
  if (reference.kind === 'invalid') parseTag(reference.text);
  if (reference.kind === 'tag') return [reference.tag];
  const tags = new Set(queriesOf(ctx, 'tag'));
  if (tags.size > MOST_TAGS) {
    throw new RegistryError('TAGS_TOO_MANY', `one request sets at most ${MOST_TAGS} tags`);
  }
  for (const tag of tags) parseTag(tag);
  return [...tags];
}

/** Returns the digest that the client expects: in the path, or for a push by tag in the query. */
function expectedDigest(ctx: RequestContext, reference: ManifestReferenceParameter): Digest | undefined {
  if (reference.kind === 'digest') return reference.digest;
  const text = queryOf(ctx, 'digest');
  return text === undefined ? undefined : parseDigest(text);
}

/** Throws DigestMismatchError. Without an expectation the digest is a sha256. */
function digestOfManifest(bytes: Buffer, expected: Digest | undefined): Digest {
  const algorithm = expected === undefined ? 'sha256' : digestAlgorithm(expected);
  const digest: Digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
  if (expected !== undefined && expected !== digest) {
    throw new DigestMismatchError(`the manifest has the digest ${digest}, not ${expected}`);
  }
  return digest;
}

/** Returns the sizes of the referenced content that the repository has. */
function presentSizes(
  { catalog }: RegistryDependencies,
  repository: string,
  manifest: Manifest,
): Promise<ReadonlyMap<Digest, number>> {
  const digests = new Set(contentOf(manifest).map(({ digest }) => digest));
  return catalog.blobs.sizes(repository, [...digests]);
}

/**
 * Refuses a descriptor with another size than its content: the image could be pushed to other registries and pulled
 * from none, as containerd and docker take it for damaged. Content that is not in the repository is not checked.
 */
function refuseWrongSizes(manifest: Manifest, present: ReadonlyMap<Digest, number>): void {
  for (const { digest, size } of contentOf(manifest)) {
    const actual = present.get(digest);
    if (actual !== undefined && actual !== size) {
      throw new ManifestInvalidError(
        `the manifest says that ${digest} has ${size} bytes, but it has ${actual}`,
      );
    }
  }
}

function refuseTooManyReferences(manifest: Manifest): void {
  const length = manifest.layers.length + manifest.manifests.length;
  if (length <= MOST_REFERENCES) return;
  throw new ManifestInvalidError(
    `the manifest refers to ${length} others: the maximum is ${MOST_REFERENCES}, so split it`,
  );
}

function contentOf({ config, layers, manifests }: Manifest): readonly Descriptor[] {
  return [...(config === undefined ? [] : [config]), ...layers, ...manifests];
}

/** Warns the client that pushes an index whose platforms cannot all be pulled from here. */
function sparseWarning(
  repository: string,
  { manifests }: Manifest,
  present: ReadonlyMap<Digest, number>,
): string | undefined {
  const missing = manifests.filter(({ digest }) => !present.has(digest)).length;
  if (missing === 0) return undefined;
  return warning(`${missing} of the index's ${manifests.length} manifests are not in ${repository}`);
}

/** The media type without its parameters; undefined when the client sent none. */
function contentTypeOf(ctx: RequestContext): string | undefined {
  return ctx.get('Content-Type').split(';')[0]?.trim().toLowerCase() || undefined;
}
