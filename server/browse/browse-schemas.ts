import type { Digest } from '../../oci/digest.ts';
import {
  boolean,
  integer,
  list,
  object,
  oneOf,
  optional,
  record,
  type Schema,
  schema,
  text,
  time,
} from '../api/schema.ts';
import { PROVENANCE, SBOM, SIGNATURES } from './artifact-schemas.ts';
import { FILE_KINDS, REFERRER_KINDS, type ReferrerView } from './browse.ts';

const digest = text({ description: 'Such as sha256:…' }) as Schema<Digest>;
const bytes = (description = 'Bytes') => integer({ description });

const REPOSITORY_FIELDS = {
  name: text(),
  description: optional(text({ description: 'Plain text of one line' })),
  tags: integer(),
  manifests: integer({
    description: 'Number of images, indexes and artifacts, including members of indexes',
  }),
  size: bytes('Bytes of all blobs of the repository, each once'),
  lastPush: optional(time()),
  lastPull: optional(time({ description: 'Exact to a minute' })),
} as const;

export const REPOSITORY = object(REPOSITORY_FIELDS, { title: 'Repository' });

const RIGHTS = object({ push: boolean(), delete: boolean() });

export const REPOSITORY_DETAILS = object(
  {
    ...REPOSITORY_FIELDS,
    createdAt: time(),
    quotas: list(object({ pattern: text(), bytes: integer(), used: integer() })),
    tagRules: list(object({ pattern: text(), tags: text(), kind: oneOf(['immutable', 'protected']) })),
    rights: RIGHTS,
    readme: optional(
      object(
        {
          text: text({ description: 'As pushed: sanitise it when you render it' }),
          mediaType: oneOf(['text/markdown', 'text/plain']),
          truncated: boolean(),
        },
        {
          description:
            'The artifact under the tag readme, such as oras push HOST/NAME:readme README.md:text/markdown, or the ' +
            'annotation org.opencontainers.image.description of latest; at most 64 KB',
        },
      ),
    ),
  },
  { title: 'RepositoryDetails' },
);

const manifestFields = {
  digest,
  mediaType: text(),
  artifactType: optional(text()),
  pushedBy: optional(text()),
  pushedAt: time(),
  lastPull: optional(time({ description: 'By the tag or the digest, exact to a minute' })),
} as const;

export const TAG = object(
  {
    name: text(),
    ...manifestFields,
    size: optional(
      bytes(
        'Bytes of the manifest and all that it needs, each blob once; absent where there are more than a list adds up: 200 blobs with the usual limit',
      ),
    ),
    platforms: list(text(), { description: 'Of an index: such as linux/arm64/v8, 20 at most' }),
  },
  { title: 'Tag' },
);

export const FOUND_TAG = object(
  {
    repository: text(),
    name: text(),
    digest,
    mediaType: text(),
    artifactType: optional(text()),
    pushedAt: time(),
    pushedBy: optional(text()),
  },
  { title: 'FoundTag' },
);

export const DELETED_TAG = object(
  { name: text(), digest, deletedAt: time(), deletedBy: optional(text()) },
  { title: 'DeletedTag' },
);

const ANNOTATIONS = record(text(), { description: 'At most 1,000, and 64 KB together' });

const referrerFields = {
  digest,
  kind: oneOf(REFERRER_KINDS),
  mediaType: text(),
  artifactType: optional(text()),
  size: bytes('Bytes of its manifest'),
  annotations: ANNOTATIONS,
  signatures: SIGNATURES,
} as const;
/** Referrers of referrers are shown without their own. */
const NO_REFERRERS = list(
  schema<ReferrerView>({ noun: 'nothing', plural: 'nothing' }, {}, () => undefined),
  { maxItems: 0 },
);
const REFERRER = object(
  {
    ...referrerFields,
    referrers: list(object({ ...referrerFields, referrers: NO_REFERRERS }, { title: 'IndirectReferrer' })),
  },
  { title: 'Referrer' },
);

const RUNNING = object(
  {
    app: text(),
    release: integer(),
    service: text(),
    hosts: list(text(), { description: 'Names of the hosts that run it now' }),
    runs: boolean({ description: 'False if it is kept for a rollback' }),
  },
  { title: 'RunningRelease' },
);

const CONFIG = object(
  {
    digest,
    mediaType: text(),
    size: bytes(),
    problem: optional(text({ description: 'Why nothing else is shown' })),
    platform: optional(text()),
    created: optional(text({ description: 'As stated by the image' })),
    author: optional(text()),
    user: optional(text()),
    workingDirectory: optional(text()),
    entrypoint: optional(list(text())),
    command: optional(list(text())),
    environment: list(text()),
    exposedPorts: list(text()),
    volumes: list(text()),
    labels: record(text()),
    stopSignal: optional(text()),
  },
  { title: 'ImageConfiguration' },
);

const LAYER = object(
  {
    digest,
    mediaType: text(),
    size: bytes('Bytes, as stated in the manifest'),
    foreign: boolean({
      description: 'Whether another registry serves it, so that it need not be in this one',
    }),
    present: boolean(),
    annotations: ANNOTATIONS,
    sharedBy: object({
      manifests: integer({
        description: 'Other manifests of the repository that need it; counted up to 1,000',
      }),
      repositories: list(text(), {
        description: 'Other repositories that have it and that the client may see; at most 10',
      }),
      repositoryCount: integer({
        description:
          'Number of all other repositories that have it and that the client may see, among 200 that have it',
      }),
    }),
  },
  { title: 'Layer' },
);

const MEMBER = object(
  {
    digest,
    platform: optional(text()),
    mediaType: text(),
    artifactType: optional(text()),
    size: bytes('Bytes of its manifest'),
    annotations: ANNOTATIONS,
    present: boolean(),
  },
  { title: 'IndexMember' },
);

export const MANIFEST = object(
  {
    repository: text(),
    ...manifestFields,
    size: bytes('Bytes of the manifest itself'),
    contentSize: optional(bytes('Like the size of a tag')),
    tags: list(text(), { description: '100 at most' }),
    tagCount: integer({ description: 'Counted to 10,000' }),
    indexes: list(digest, { description: 'Indexes that list it, at most 20' }),
    problem: optional(text({ description: 'Why parts, configuration and history are not shown' })),
    annotations: ANNOTATIONS,
    members: list(MEMBER, { description: 'Of an index; 1,000 at most' }),
    layers: list(LAYER, { description: 'Of an image or artifact, lowest first; at most 1,000' }),
    partCount: integer({ description: 'Number of layers or members' }),
    config: optional(CONFIG),
    history: list(
      object({
        createdBy: text(),
        created: optional(text()),
        author: optional(text()),
        comment: optional(text()),
        layer: optional(integer({ description: 'Index in `layers` of the layer that it made' })),
      }),
    ),
    sbom: optional(SBOM),
    provenance: optional(PROVENANCE),
    signatures: SIGNATURES,
    subject: optional(digest),
    referrers: list(REFERRER),
    running: list(RUNNING),
    rights: RIGHTS,
  },
  { title: 'ManifestDetails' },
);

export const CONSEQUENCES = object(
  {
    deleted: boolean({ description: 'False for a dry run' }),
    tags: list(text(), { description: 'That go, 100 at most' }),
    tagCount: integer(),
    manifests: list(digest, { description: 'Manifests that nothing refers to any more, at most 1,000' }),
    bytesFreed: bytes('Bytes that garbage collection will free'),
    bytesKept: bytes('Bytes that stay because other images need them'),
    sharedWithImages: list(text(), { description: 'Images of the repository that need these, at most 20' }),
    sharedWithRepositories: list(text(), {
      description: 'Other repositories that have these and that the client may see, at most 20',
    }),
    sharedWithOthers: boolean({ description: 'Whether other repositories, which are not named, have some' }),
    complete: boolean({ description: 'False if there was too much to examine' }),
    running: list(RUNNING),
    refusal: optional(text({ description: 'Why the delete would be refused' })),
    needsForce: boolean({ description: 'Whether ?force=true would help' }),
    restorableUntil: optional(time({ description: 'The tag can be restored at least until then' })),
  },
  { title: 'Consequences' },
);

export const REPOSITORY_LOSS = object(
  {
    deleted: boolean({ description: 'False for a dry run' }),
    tagCount: integer(),
    manifestCount: integer(),
    bytesFreed: bytes('Bytes that garbage collection will free'),
    bytesKept: bytes('Bytes that stay because other repositories have them'),
    complete: boolean({ description: 'False if there was too much to examine' }),
    refusal: optional(text({ description: 'Why the delete would be refused' })),
    needsForce: boolean({ description: 'Whether ?force=true would help' }),
    remaining: integer({
      description: 'Manifests that are left: repeat the request to delete more',
    }),
  },
  { title: 'RepositoryLoss' },
);

export const LISTED_MANIFEST = object(
  {
    digest,
    mediaType: text(),
    artifactType: optional(text()),
    size: optional(bytes('As of a tag')),
    pushedAt: time(),
    pushedBy: optional(text()),
    subject: optional(digest),
    isMember: boolean({ description: 'Whether an index of the repository lists it' }),
    tags: list(text(), { description: '20 at most' }),
    tagCount: integer(),
  },
  { title: 'ListedManifest' },
);

export const COPY = object(
  {
    digest,
    manifests: integer({ description: 'Manifests that the target did not have' }),
    mounted: integer({ description: 'Blobs that the target did not have' }),
    bytes: bytes('Bytes of these blobs'),
    referrers: integer({ description: 'Manifests about the image that the target did not have' }),
    keptTags: list(text(), {
      description: 'Tags of signatures that the target already uses for something else: they are unchanged',
    }),
  },
  { title: 'Copy' },
);

const CHANGES = list(object({ name: text(), before: optional(text()), after: optional(text()) }));

export const DIFFERENCE = object(
  {
    platform: optional(text({ description: 'For indexes: the platform whose images are compared' })),
    from: digest,
    to: digest,
    layers: list(object({ digest, size: bytes(), change: oneOf(['same', 'removed', 'added']) })),
    download: bytes('Bytes that a client with `from` downloads for `to`'),
    configuration: CHANGES,
    environment: CHANGES,
    labels: CHANGES,
    packages: object(
      {
        from: optional(digest),
        to: optional(digest),
        added: integer(),
        removed: integer(),
        changed: integer({ description: 'Packages of other versions' }),
        changes: CHANGES,
      },
      {
        title: 'PackageChanges',
        description:
          'By the SBOMs of the two images, which `from` and `to` identify: absent if none can be read. ' +
          'An SBOM is an attestation of BuildKit in the index, or a referrer. At most 1,000 changes are listed.',
      },
    ),
  },
  { title: 'Difference' },
);

const FILE = optional(
  object(
    { kind: oneOf(FILE_KINDS), mode: integer({ description: 'Permission bits' }), size: bytes() },
    { title: 'File' },
  ),
);

export const FILE_CHANGES = object(
  {
    platform: optional(text({ description: 'For indexes: the platform whose images are compared' })),
    from: digest,
    to: digest,
    problem: optional(text({ description: 'Why nothing is compared' })),
    added: integer(),
    removed: integer(),
    changed: integer(),
    changes: list(
      object({ path: text(), change: oneOf(['added', 'removed', 'changed']), before: FILE, after: FILE }),
      { description: '1,000 at most' },
    ),
  },
  { title: 'FileChanges' },
);
