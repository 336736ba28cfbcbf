import type { Access } from '../../auth/access/access.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { ContentStore } from '../../storage/content-store.ts';
import type { RedirectRules } from '../http/redirect-rules.ts';
import type { AnswerCache } from './answer-cache.ts';
import type { BlobBodies } from './blob-bodies.ts';
import type { ManifestCache } from './manifest-cache.ts';
import type { UploadSessions } from './upload-sessions.ts';

/** Dependencies of the routes of the distribution API. */
export interface RegistryDependencies {
  readonly access: Access;
  readonly answers: AnswerCache;
  readonly blobBodies: BlobBodies;
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  readonly content: ContentStore;
  /** Called after a manifest was pushed with these tags; absent if no app follows tags. */
  readonly pushed?: (repository: string, tags: readonly string[], by: string) => void;
  /** Whether tags, manifests and blobs can be deleted. */
  readonly deletes: boolean;
  readonly manifestCache: ManifestCache;
  /** Prefix of `/v2/` in every path; '' for none. */
  readonly pathPrefix: string;
  /** Whether nothing can be pushed or deleted. */
  readonly readOnly: boolean;
  /** Which clients fetch blobs directly from the storage, if possible. */
  readonly redirects: RedirectRules;
  readonly uploads: UploadSessions;
}
