import { OciError } from '../../oci/errors.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../oci/json.ts';
import type { Descriptor, Manifest } from '../../oci/manifest.ts';
import { cut, MOST_ENTRIES, within } from './bounded.ts';
import type { PackageView, SbomView } from './browse.ts';
import type { ContentReader } from './read-content.ts';
import { isBundle } from './signatures.ts';
import { isSpdx3, packagesOfSpdx3, type Spdx3Package } from './spdx3.ts';

/** Maximum bytes of SBOMs that are read for people: JSON is parsed in one piece, which blocks all other requests. */
const LARGEST = 2 * 1024 * 1024;
const LONGEST_NAME = 256;
/** Media types, or predicate types of attestations, that indicate an SBOM. */
const SBOM_TYPE = /spdx|cyclonedx|syft/i;
const STATEMENTS = ['application/vnd.in-toto+json', 'application/vnd.dsse.envelope.v1+json'] as const;
const PREDICATE_TYPES = [
  'in-toto.io/predicate-type',
  'dev.sigstore.bundle.predicateType',
  'predicateType',
] as const;
/** SPDX's values for an unknown licence. */
const NO_LICENCE: ReadonlySet<string> = new Set(['', 'NOASSERTION', 'NONE']);

/** All packages of an SBOM. */
export interface PackageList {
  readonly format: NonNullable<SbomView['format']>;
  readonly packages: readonly PackageView[];
}

/** Returns the shown part of an SBOM artifact. Undefined if no layer declares one. */
export async function sbomOf(
  content: ContentReader,
  repository: string,
  manifest: Manifest,
): Promise<SbomView | undefined> {
  const list = await packageListOf(content, repository, manifest);
  return list === undefined ? undefined : shownOf(list);
}

/**
 * Returns the packages of an SBOM artifact: SPDX 2 or 3, CycloneDX or Syft as JSON, also as the predicate of an in-toto
 * statement, including one in a DSSE envelope or Sigstore bundle, whose signature is not verified here. A sentence if
 * it cannot be read; undefined if no layer declares one.
 */
export async function packageListOf(
  content: ContentReader,
  repository: string,
  manifest: Manifest,
): Promise<PackageList | string | undefined> {
  const layer = manifest.layers.find((one) => isSbom(one, manifest.annotations));
  if (layer === undefined) return undefined;
  const body = await content.blob(repository, layer.digest, LARGEST);
  return typeof body === 'string' ? body : readPackages(body);
}

/**
 * Reports whether an artifact is an SBOM. A bundle of cosign has the predicate type in the annotations of its manifest.
 */
function isSbom({ annotations = {}, mediaType }: Descriptor, above: Descriptor['annotations'] = {}): boolean {
  const essence = essenceOf(mediaType);
  if (!isBundle(essence) && /[+/]json$/.test(essence) && SBOM_TYPE.test(essence)) return true;
  return attests({ annotations, mediaType }, above, SBOM_TYPE);
}

/**
 * Reports whether a layer is a statement, envelope or bundle whose annotations, or for a bundle those of its manifest, name a
 * predicate of this type.
 */
export function attests(
  { annotations = {}, mediaType }: Pick<Descriptor, 'annotations' | 'mediaType'>,
  above: Descriptor['annotations'] = {},
  predicateType: RegExp,
): boolean {
  const essence = essenceOf(mediaType);
  const says = (all: Readonly<Record<string, string>>) =>
    PREDICATE_TYPES.some((name) => predicateType.test(all[name]?.slice(0, 1000) ?? ''));
  if (isBundle(essence)) return says(annotations) || says(above);
  return STATEMENTS.some((type) => type === essence) && says(annotations);
}

function essenceOf(mediaType: string): string {
  return mediaType.toLowerCase().split(';')[0] ?? '';
}

/** Parses an SBOM, up to the limits of what is shown. */
export function readSbom(body: Buffer): SbomView {
  return shownOf(readPackages(body));
}

/** Parses an SBOM, ignoring invalid parts; returns a sentence if it is not one. */
export function readPackages(body: Buffer): PackageList | string {
  try {
    return packagesOf(predicateOf(parseJsonObject(body, 'the SBOM')));
  } catch (error) {
    if (error instanceof OciError) return error.message;
    throw error;
  }
}

function shownOf(list: PackageList | string): SbomView {
  if (typeof list === 'string') return { problem: list, packages: [], packageCount: 0 };
  const packages = within(
    list.packages.slice(0, MOST_ENTRIES),
    (one) => one.name.length + (one.version ?? '').length + (one.licence ?? '').length,
  );
  return { format: list.format, packages, packageCount: list.packages.length };
}

/**
 * Returns the predicate of a statement, also inside an envelope or bundle (in-toto Statement v1, DSSE 1.0, Sigstore
 * bundle 0.3); other documents are returned unchanged.
 */
export function predicateOf(document: JsonObject): JsonObject {
  const { payload, predicate, signatures } = isJsonObject(document.dsseEnvelope)
    ? document.dsseEnvelope
    : document;
  if (typeof payload === 'string' && Array.isArray(signatures)) {
    return predicateOf(parseJsonObject(Buffer.from(payload, 'base64'), 'the payload of the envelope'));
  }
  return isJsonObject(predicate) ? predicate : document;
}

function packagesOf(document: JsonObject): PackageList | string {
  if (typeof document.spdxVersion === 'string') return listOf('SPDX', document.packages, fromSpdx);
  if (isSpdx3(document)) {
    const found = packagesOfSpdx3(document, LONGEST_NAME);
    return { format: 'SPDX', packages: found.map((one) => packageOf(fromSpdx3(one))) };
  }
  if (document.bomFormat === 'CycloneDX') return listOf('CycloneDX', document.components, fromCycloneDx);
  if (Array.isArray(document.artifacts)) return listOf('Syft', document.artifacts, fromSyft);
  return 'the SBOM is not the JSON of SPDX, CycloneDX or Syft';
}

function listOf(
  format: PackageList['format'],
  list: unknown,
  read: (entry: JsonObject) => PackageTerms,
): PackageList {
  const entries = Array.isArray(list) ? list.filter(isJsonObject) : [];
  return { format, packages: entries.map((entry) => packageOf(read(entry))) };
}

/** The unchecked fields of a package in a document. */
type PackageTerms = readonly [name: unknown, version: unknown, licence: unknown];

function packageOf(terms: PackageTerms): PackageView {
  const [name, version, licence] = terms.map((value) =>
    typeof value === 'string' ? cut(value, LONGEST_NAME) : '',
  );
  return { name: name ?? '', ...(version && { version }), ...(licence && { licence }) };
}

function fromSpdx3({ element, licence }: Spdx3Package) {
  return [element.name, element.software_packageVersion, NO_LICENCE.has(licence) ? '' : licence] as const;
}

function fromSpdx(entry: JsonObject) {
  const { licenseConcluded, licenseDeclared, name, versionInfo } = entry;
  const licence = [licenseConcluded, licenseDeclared].find(
    (text) => typeof text === 'string' && !NO_LICENCE.has(text),
  );
  return [name, versionInfo, licence] as const;
}

/** Reads a package; its group precedes its name, as in `@scope/name`. */
function fromCycloneDx({ group, licenses, name, version }: JsonObject) {
  const isGrouped = typeof group === 'string' && group !== '' && typeof name === 'string';
  const whole = isGrouped ? `${group}/${name}` : name;
  return [whole, version, licencesOf(licenses)] as const;
}

function fromSyft({ licenses, name, version }: JsonObject) {
  return [name, version, licencesOf(licenses)] as const;
}

function licencesOf(list: unknown): string {
  if (!Array.isArray(list)) return '';
  const names = list.slice(0, 20).flatMap((entry: unknown) => {
    if (typeof entry === 'string') return [entry];
    if (!isJsonObject(entry)) return [];
    const { expression, license, value } = entry;
    const { id, name } = isJsonObject(license) ? license : {};
    return [expression, value, id, name].filter((text) => typeof text === 'string').slice(0, 1);
  });
  return names.join(', ');
}
