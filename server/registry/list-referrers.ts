import { setImmediate as turn } from 'node:timers/promises';
import { type Digest, digestAlgorithm, digestHex } from '../../oci/digest.ts';
import type { FoundManifest, ManifestWindow, ReferrerPage } from '../../storage/catalog/catalog.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';

type Stores = Pick<RegistryDependencies, 'catalog'>;
type Filter = Omit<ReferrerPage, 'limit'>;

/** Maximum digests per query. */
const AT_ONCE = 100;
/** Maximum digests of each kind that one request examines: the rest comes with the next page. */
const MOST_LOOKED_AT = 1000;

/** A step of a list: a referrer, or a digest up to which there is none. */
export interface ReferrerStep {
  readonly digest: Digest;
  readonly record?: FoundManifest;
}

/**
 * Yields the referrers of `subject` ordered by digest: manifests that name it as their subject, and those that a client
 * listed under its referrers tag (distribution-spec, "Enabling the Referrers API"). Returns true at the end, and false
 * when it has examined the maximum of a request.
 */
export async function* listReferrers(
  { catalog: { manifests } }: Stores,
  repository: string,
  subject: Digest,
  filter: Filter,
): AsyncGenerator<ReferrerStep, boolean, undefined> {
  const bySubject = windows(filter, (page) => manifests.referrers(repository, subject, page));
  const tag = `${digestAlgorithm(subject)}-${digestHex(subject).slice(0, 64)}`;
  const listed = windows(filter, (page) => manifests.listed(repository, tag, page));
  return yield* merged(bySubject, listed);
}

/** Yields the steps of one list, window by window. Returns true at its end. */
async function* windows(
  filter: Filter,
  read: (page: ReferrerPage) => Promise<ManifestWindow>,
): AsyncGenerator<ReferrerStep, boolean, undefined> {
  let page: ReferrerPage = { ...filter, limit: AT_ONCE };
  for (let lookedAt = 0; lookedAt < MOST_LOOKED_AT; lookedAt += AT_ONCE) {
    const { records, lookedUpTo } = await read(page);
    for (const record of records) yield { digest: record.blob.digest, record };
    if (lookedUpTo === undefined) return true;
    if (records.at(-1)?.blob.digest !== lookedUpTo) yield { digest: lookedUpTo };
    page = { ...page, after: lookedUpTo };
    await turn();
  }
  return false;
}

/** Merges both lists, up to the position where one of them stops before its end. */
async function* merged(
  one: AsyncGenerator<ReferrerStep, boolean, undefined>,
  other: AsyncGenerator<ReferrerStep, boolean, undefined>,
): AsyncGenerator<ReferrerStep, boolean, undefined> {
  let [first, second] = [await one.next(), await other.next()];
  for (;;) {
    if (first.done && second.done) return first.value && second.value;
    if ((first.done && !first.value) || (second.done && !second.value)) return false;
    if (!first.done && (second.done || first.value.digest <= second.value.digest)) {
      yield first.value;
      first = await one.next();
    } else if (!second.done) {
      yield second.value;
      second = await other.next();
    }
  }
}
