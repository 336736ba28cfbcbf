import type { BrowsedRepository, BrowsedTag } from '../../../storage/catalog/browse/browse-catalog.ts';
import type * as browse from '../../browse/browse.ts';

/** What JSON makes of a view: times are RFC 3339. */
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

/** All of a manifest; commands print it as it is. */
export type ManifestView = Readonly<Record<string, unknown>>;

export type ConsequencesView = Answered<browse.ConsequencesView> & {
  /** False: nothing was deleted. */
  readonly deleted: boolean;
};

export type DifferenceView = browse.DifferenceView;
