import { isTag, parseTag } from '../../oci/reference.ts';
import { REPOSITORY_SORTS, TAG_SORTS } from '../../storage/catalog/browse/browse-catalog.ts';
import { unknownManifest } from '../../storage/errors.ts';
import { EVERYBODY, VISITORS } from '../api/access.ts';
import { pageOf, rowPageOf } from '../api/page.ts';
import { type Route, route } from '../api/route.ts';
import { boolean, integer, list, nullable, object, oneOf, optional, text } from '../api/schema.ts';
import type { Browse } from './browse.ts';
import {
  cursorOf,
  LIST,
  NO_MANIFEST,
  NOT_THERE,
  originOf,
  PAGE,
  pageFrom,
  REFERENCE_PARAMETER,
  REPOSITORY_PARAMETER,
  referenceOf,
  SIDES,
  sidesOf,
  USUAL_LIMIT,
} from './browse-parameters.ts';
import {
  CONSEQUENCES,
  COPY,
  DELETED_TAG,
  DIFFERENCE,
  FILE_CHANGES,
  FOUND_TAG,
  LISTED_MANIFEST,
  MANIFEST,
  REPOSITORY,
  REPOSITORY_DETAILS,
  REPOSITORY_LOSS,
  TAG,
} from './browse-schemas.ts';

/** Lists repositories, tags and manifests, previews deletes, and deletes. */
export function browseRoutes(browse: Browse): readonly Route[] {
  return [...repositoryRoutes(browse), ...tagRoutes(browse), ...manifestRoutes(browse)];
}

function repositoryRoutes(browse: Browse): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/repositories',
      id: 'listRepositories',
      summary: 'Repositories that the client may see',
      description: '`search` looks in descriptions too.',
      access: VISITORS,
      area: 'any',
      query: { sort: optional(oneOf(REPOSITORY_SORTS, { default: 'name' })), ...LIST },
      answer: pageOf('repositories', REPOSITORY),
      async handle({ ctx, query: { sort = 'name', ...query } }) {
        const page = pageFrom(query, sort === 'name' ? 1 : 2);
        const { entries, next } = await browse.repositories(ctx.state.identity, { sort, ...page });
        return { repositories: entries, next: cursorOf(next) };
      },
    }),
    route({
      method: 'GET',
      path: '/repositories/{repository}',
      id: 'showRepository',
      summary: 'A repository, its README, and the quotas and rules that apply to it',
      access: VISITORS,
      area: 'any',
      params: REPOSITORY_PARAMETER,
      answer: REPOSITORY_DETAILS,
      errors: NOT_THERE,
      handle: ({ ctx, params }) => browse.repository(ctx.state.identity, params.repository),
    }),
    route({
      method: 'DELETE',
      path: '/repositories/{repository}',
      id: 'deleteRepository',
      summary: 'Delete everything in a repository',
      description:
        'For maintainers of the repository. Nothing is deleted when a rule keeps one of the tags, or a release runs one of the images. One request deletes at most 500 manifests: repeat it until `remaining` is 0.',
      access: EVERYBODY,
      area: 'any',
      recordedBy: 'catalog',
      params: REPOSITORY_PARAMETER,
      query: {
        'dry-run': optional(boolean({ description: 'True: nothing is deleted' })),
        force: optional(boolean({ description: 'Whether to delete images that a release runs too' })),
      },
      answer: REPOSITORY_LOSS,
      errors: {
        ...NOT_THERE,
        403: 'The client may not delete, or a rule keeps a tag',
        409: 'A release runs an image',
      },
      handle: ({ ctx, params: { repository }, query: { 'dry-run': dryRun = false, force = false } }) =>
        browse.deleteRepository(ctx.state.identity, repository, {
          ...{ dryRun, force, signal: ctx.state.signal },
          ...originOf(ctx),
        }),
    }),
    route({
      method: 'GET',
      path: '/disk-use',
      id: 'showDiskUse',
      summary: 'Sizes of the repositories that the client may see',
      description: 'The largest first. A blob of several repositories counts for each of them.',
      access: VISITORS,
      area: 'any',
      query: PAGE,
      answer: object({
        size: integer({ description: 'The sum of all sizes, bytes' }),
        repositoryCount: integer(),
        repositories: list(REPOSITORY),
        next: nullable(text({ description: 'The `after` of the next page; null where this is the last' })),
      }),
      async handle({ ctx, query }) {
        const page = pageFrom(query, 2);
        const { entries, next, size, repositoryCount } = await browse.diskUse(ctx.state.identity, page);
        return { size, repositoryCount, repositories: entries, next: cursorOf(next) };
      },
    }),
  ];
}

function tagRoutes(browse: Browse): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/tags',
      id: 'findTags',
      summary: 'Tags that begin with a text, of all repositories that the client may see',
      description: 'By repository and tag. Case matters.',
      access: VISITORS,
      area: 'any',
      query: { search: text({ description: 'How the tags begin' }), ...PAGE },
      answer: pageOf('tags', FOUND_TAG),
      async handle({ ctx, query: { search, limit = USUAL_LIMIT, after: cursor } }) {
        const page = rowPageOf({ limit, ...(cursor !== undefined && { after: cursor }) }, 2);
        const { entries, next } = await browse.findTags(ctx.state.identity, { prefix: search, ...page });
        return { tags: entries, next: cursorOf(next) };
      },
    }),
    route({
      method: 'GET',
      path: '/repositories/{repository}/tags',
      id: 'listTags',
      summary: 'Tags of a repository',
      access: VISITORS,
      area: 'any',
      params: REPOSITORY_PARAMETER,
      query: { sort: optional(oneOf(TAG_SORTS, { default: 'name' })), ...LIST },
      answer: pageOf('tags', TAG),
      errors: NOT_THERE,
      async handle({ ctx, params: { repository }, query: { sort = 'name', ...query } }) {
        const page = pageFrom(query, sort === 'name' ? 1 : 2);
        const { entries, next } = await browse.tags(ctx.state.identity, repository, { sort, ...page });
        return { tags: entries, next: cursorOf(next) };
      },
    }),
    route({
      method: 'GET',
      path: '/repositories/{repository}/deleted-tags',
      id: 'listDeletedTags',
      summary: 'Deleted tags that can be restored',
      description: 'The latest deleted first, at most 100.',
      access: VISITORS,
      area: 'any',
      params: REPOSITORY_PARAMETER,
      answer: object({ tags: list(DELETED_TAG) }),
      errors: NOT_THERE,
      handle: async ({ ctx, params }) => ({
        tags: await browse.deletedTags(ctx.state.identity, params.repository),
      }),
    }),
    route({
      method: 'POST',
      path: '/repositories/{repository}/deleted-tags/{tag}/restore',
      id: 'restoreTag',
      summary: 'Restore a deleted tag',
      description:
        'It points at the same manifest again. For writers of the repository, under the rules of its tags.',
      access: EVERYBODY,
      area: 'any',
      recordedBy: 'catalog',
      params: { ...REPOSITORY_PARAMETER, tag: 'The tag' },
      answer: object({ digest: text() }),
      errors: {
        403: 'The client may not push, or a rule keeps the tag',
        404: 'There is no such deleted tag',
        409: 'The tag exists, or its manifest is gone',
      },
      async handle({ ctx, params: { repository, tag } }) {
        if (!isTag(tag)) throw unknownManifest(repository, { text: tag });
        return { digest: await browse.restore(ctx.state.identity, repository, tag, originOf(ctx)) };
      },
    }),
  ];
}

function manifestRoutes(browse: Browse): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/repositories/{repository}/manifests',
      id: 'listManifests',
      summary: 'Manifests of a repository, with a tag or without',
      description: 'By digest.',
      access: VISITORS,
      area: 'any',
      params: REPOSITORY_PARAMETER,
      query: PAGE,
      answer: pageOf('manifests', LISTED_MANIFEST),
      errors: NOT_THERE,
      async handle({ ctx, params: { repository }, query }) {
        const page = pageFrom(query, 1);
        const { entries, next } = await browse.manifests(ctx.state.identity, repository, page);
        return { manifests: entries, next: cursorOf(next) };
      },
    }),
    route({
      method: 'POST',
      path: '/repositories/{repository}/manifests/{reference}/copy',
      id: 'copyManifest',
      summary: 'Copy an image to another repository or tag of the registry',
      description:
        'For people who may pull from one repository and push to the other. No content moves: blobs are mounted. Rules, quotas, audit and webhooks apply as to a push.',
      access: EVERYBODY,
      area: 'any',
      recordedBy: 'catalog',
      params: REFERENCE_PARAMETER,
      body: object(
        {
          repository: text({ description: 'Repository of the copy' }),
          tag: optional(text({ description: 'Of the copy; absent: it has none' })),
          referrers: optional(
            boolean({ description: 'Whether to copy signatures, SBOMs and other referrers too' }),
          ),
        },
        { title: 'NewCopy' },
      ),
      answer: COPY,
      errors: {
        ...NO_MANIFEST,
        403: 'The client may not push there, a rule keeps the tag, or a quota is full',
      },
      handle({ ctx, params: { repository, reference }, body: { repository: to, tag, referrers = false } }) {
        return browse.copy(ctx.state.identity, repository, referenceOf(repository, reference), {
          ...{ to, referrers, signal: ctx.state.signal },
          ...(tag !== undefined && { tag: parseTag(tag) }),
          ...originOf(ctx),
        });
      },
    }),
    route({
      method: 'GET',
      path: '/repositories/{repository}/manifests/{reference}',
      id: 'showManifest',
      summary: 'A manifest: its layers or members, configuration, history, referrers, and what runs it',
      access: VISITORS,
      area: 'any',
      params: REFERENCE_PARAMETER,
      answer: MANIFEST,
      errors: NO_MANIFEST,
      handle: ({ ctx, params: { repository, reference } }) =>
        browse.manifest(ctx.state.identity, repository, referenceOf(repository, reference)),
    }),
    route({
      method: 'DELETE',
      path: '/repositories/{repository}/manifests/{reference}',
      id: 'deleteManifest',
      summary: 'Delete a tag, or by its digest a manifest with its tags',
      description:
        'For maintainers of the repository. Returns what is deleted; with `dry-run`, what would be deleted. A deleted tag can be restored until garbage collection deletes its manifest.',
      access: EVERYBODY,
      area: 'any',
      recordedBy: 'catalog',
      params: REFERENCE_PARAMETER,
      query: {
        'dry-run': optional(boolean({ description: 'True: nothing is deleted' })),
        force: optional(boolean({ description: 'Whether to delete images that a release runs too' })),
      },
      answer: CONSEQUENCES,
      errors: {
        ...NO_MANIFEST,
        403: 'The client may not delete, or a rule keeps the tag',
        409: 'A release runs the image',
      },
      async handle({
        ctx,
        params: { repository, reference },
        query: { 'dry-run': dryRun = false, force = false },
      }) {
        const { identity } = ctx.state;
        const wanted = referenceOf(repository, reference);
        const consequences = await browse.consequences(identity, repository, wanted);
        if (!dryRun) await browse.delete(identity, repository, wanted, { force, ...originOf(ctx) });
        return { deleted: !dryRun, ...consequences };
      },
    }),
    route({
      method: 'GET',
      path: '/repositories/{repository}/difference',
      id: 'showDifference',
      summary: 'Differences of two images: layers, configuration, environment, labels, packages',
      access: VISITORS,
      area: 'any',
      params: REPOSITORY_PARAMETER,
      query: SIDES,
      answer: DIFFERENCE,
      errors: NO_MANIFEST,
      handle: ({ ctx, params: { repository }, query }) =>
        browse.difference(ctx.state.identity, repository, sidesOf(repository, query)),
    }),
    route({
      method: 'GET',
      path: '/repositories/{repository}/file-difference',
      id: 'showFileDifference',
      summary: 'Files that differ between two images, read from their layers',
      description:
        'Layers that both have are not read, so an added file may replace one of theirs. Images are not compared if this would read more than 1 GiB or 100,000 files, or take longer than 20 seconds.',
      access: VISITORS,
      area: 'any',
      params: REPOSITORY_PARAMETER,
      query: SIDES,
      answer: FILE_CHANGES,
      errors: NO_MANIFEST,
      handle: ({ ctx, params: { repository }, query }) =>
        browse.files(ctx.state.identity, repository, sidesOf(repository, query), ctx.state.signal),
    }),
  ];
}
