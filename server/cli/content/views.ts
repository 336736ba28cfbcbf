import type {
  BrowsedRepository,
  BrowsedTag,
  ListedManifest,
} from '../../../storage/catalog/browse/browse-catalog.ts';
import type * as browse from '../../browse/browse.ts';
import type * as copied from '../../browse/copy-image.ts';
import type * as loss from '../../browse/delete-repository.ts';

/** The JSON form of a view: times are RFC 3339. */
type Answered<View> = View extends Date
  ? string
  : View extends readonly (infer Entry)[]
    ? readonly Answered<Entry>[]
    : View extends object
      ? { readonly [Name in keyof View]: Answered<View[Name]> }
      : View;

export type RepositoryView = Answered<BrowsedRepository>;

export interface DiskUse {
  /** Bytes; a blob of several repositories counts for each of them. */
  readonly size: number;
  readonly repositories: readonly RepositoryView[];
}

export type TagView = Answered<BrowsedTag>;

/** The whole view of a manifest; commands print it unchanged. */
export type ManifestView = Readonly<Record<string, unknown>>;

export type ConsequencesView = Answered<browse.ConsequencesView> & {
  /** False if nothing was deleted. */
  readonly deleted: boolean;
};

/** A manifest in the list of a repository. */
export type ManifestEntry = Answered<ListedManifest>;

export type CopyView = Answered<copied.CopyView>;

export type RepositoryLossView = Answered<loss.RepositoryLossView>;

export type DifferenceView = browse.DifferenceView;
