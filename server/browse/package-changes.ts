import type { Digest } from '../../oci/digest.ts';
import type { BrowseCatalog, BrowsedManifest } from '../../storage/catalog/browse/browse-catalog.ts';
import { MOST_ENTRIES, within } from './bounded.ts';
import type { Change, PackageChangesView } from './browse.ts';
import { parseContent } from './manifest-parts.ts';
import { type ContentReader, LARGEST_MANIFEST } from './read-content.ts';
import { referrerKind } from './referrer-views.ts';
import { type PackageList, packageListOf } from './sbom.ts';

/** Maximum manifests that are searched for SBOMs of one image, and SBOMs that are read. */
const MOST_MANIFESTS = 10;
const MOST_SBOMS = 3;

/** An SBOM of an image: its manifest, and its packages. */
export interface ImageSbom extends PackageList {
  readonly manifest: Digest;
}

/**
 * Reads SBOMs of an image: the attestation in its index (`attestation`, as BuildKit makes it), and its referrers.
 * Unreadable ones are left out.
 */
export async function sbomsOf(
  { browse, content }: { readonly browse: Pick<BrowseCatalog, 'referrers'>; readonly content: ContentReader },
  repository: string,
  image: Digest,
  attestation: Pick<BrowsedManifest, 'digest' | 'mediaType'> | undefined,
): Promise<readonly ImageSbom[]> {
  const kinds = ['sbom', 'attestation'];
  const referrers = (await browse.referrers(repository, [image]))
    .map((referrer) => ({ ...referrer, rank: kinds.indexOf(referrerKind(referrer)) }))
    .filter(({ digest, rank }) => rank >= 0 && digest !== image)
    .toSorted((one, other) => one.rank - other.rank);
  const found: ImageSbom[] = [];
  const looked = [...(attestation === undefined ? [] : [attestation]), ...referrers].slice(0, MOST_MANIFESTS);
  for (const { digest, mediaType } of looked) {
    if (found.length === MOST_SBOMS) break;
    const body = await content.manifestOf(repository, digest, LARGEST_MANIFEST);
    const manifest = parseContent(body, mediaType);
    if (typeof manifest === 'string') continue;
    const list = await packageListOf(content, repository, manifest);
    if (typeof list === 'object') found.push({ ...list, manifest: digest });
  }
  return found;
}

/** Returns the differences between the packages of two images, by two SBOMs of the same format if possible. */
export function packageChanges(from: readonly ImageSbom[], to: readonly ImageSbom[]): PackageChangesView {
  const before = from.find(({ format }) => to.some((one) => one.format === format)) ?? from[0];
  const after = to.find(({ format }) => format === before?.format) ?? to[0];
  const sboms = {
    ...(before && { from: before.manifest }),
    ...(after && { to: after.manifest }),
  };
  if (before === undefined || after === undefined) {
    return { ...sboms, added: 0, removed: 0, changed: 0, changes: [] };
  }
  const all = changesOf(versionsOf(before), versionsOf(after));
  const added = all.filter((change) => change.before === undefined).length;
  const removed = all.filter((change) => change.after === undefined).length;
  const changes = within(
    all.slice(0, MOST_ENTRIES),
    (one) => one.name.length + (one.before ?? '').length + (one.after ?? '').length,
  );
  return { ...sboms, added, removed, changed: all.length - added - removed, changes };
}

/** Returns the versions of each package: an image can have several of one. */
function versionsOf({ packages }: PackageList): ReadonlyMap<string, ReadonlySet<string>> {
  const versions = new Map<string, Set<string>>();
  for (const { name, version = '' } of packages) {
    const known = versions.get(name);
    if (known === undefined) versions.set(name, new Set([version]));
    else known.add(version);
  }
  return versions;
}

function changesOf(
  before: ReadonlyMap<string, ReadonlySet<string>>,
  after: ReadonlyMap<string, ReadonlySet<string>>,
): readonly Change[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  return names.flatMap((name): readonly Change[] => {
    const [was, is] = [textOf(before.get(name)), textOf(after.get(name))];
    if (was === is) return [];
    return [{ name, ...(was !== undefined && { before: was }), ...(is !== undefined && { after: is }) }];
  });
}

const MOST_VERSIONS = 20;

/** Formats the versions, sorted; beyond 20 the others are counted. */
function textOf(versions: ReadonlySet<string> | undefined): string | undefined {
  if (versions === undefined) return undefined;
  const sorted = [...versions].toSorted();
  const more = sorted.length - MOST_VERSIONS;
  return [...sorted.slice(0, MOST_VERSIONS), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}
