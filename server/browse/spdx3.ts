import { isJsonObject, type JsonObject } from '../../oci/json.ts';

const CONTEXT = 'spdx.org/rdf/3';
/** The class of packages, and those that extend it (SPDX 3.0.1, annex RDF serialization). */
const PACKAGES: readonly unknown[] = ['software_Package', 'ai_AIPackage', 'dataset_DatasetPackage'];
const CONCLUDED = 'hasConcludedLicense';
const DECLARED = 'hasDeclaredLicense';
/** The identifiers for "no licence": `https://spdx.org/rdf/3.0.1/terms/Licensing/NoAssertion`, and `None`. */
const NO_LICENCE = /\/(?:NoAssertion|None)(?:License)?$/;
const MOST_LICENCES = 20;

/** A package of SPDX 3: its own element, and its licence from relationships. */
export interface Spdx3Package {
  readonly element: JsonObject;
  readonly licence: string;
}

/** Reports whether a document is SPDX 3 as JSON-LD. */
export function isSpdx3(document: JsonObject): boolean {
  const context = document['@context'];
  const all: readonly unknown[] = Array.isArray(context) ? context.slice(0, 20) : [context];
  return all.some((one) => typeof one === 'string' && one.slice(0, 1000).includes(CONTEXT));
}

/**
 * Returns the packages among the elements of an SPDX 3 document, in order; each licence name has at most `longest`
 * characters. Invalid elements are left out. Takes time in proportion to the document.
 */
export function packagesOfSpdx3(document: JsonObject, longest: number): readonly Spdx3Package[] {
  const graph = document['@graph'];
  const elements = (Array.isArray(graph) ? graph : [document]).filter(isJsonObject);
  const named = new Map<string, string>();
  const licensed = { [CONCLUDED]: new Map<string, string>(), [DECLARED]: new Map<string, string>() };
  for (const element of elements) {
    const id = idOf(element);
    const name = element.simplelicensing_licenseExpression ?? element.name;
    if (id !== undefined && typeof name === 'string') named.set(id, name.slice(0, longest));
  }
  for (const { from, relationshipType, to } of elements) {
    const id = idOf(from);
    if (id === undefined || (relationshipType !== CONCLUDED && relationshipType !== DECLARED)) continue;
    const targets: readonly unknown[] = Array.isArray(to) ? to.slice(0, MOST_LICENCES) : [to];
    const names = targets.flatMap((target) => licenceName(target, named, longest));
    if (names.length > 0) licensed[relationshipType].set(id, names.join(', ').slice(0, longest));
  }
  return elements
    .filter((element) => PACKAGES.includes(element.type ?? element['@type']))
    .map((element) => {
      const id = idOf(element) ?? '';
      return { element, licence: licensed[CONCLUDED].get(id) ?? licensed[DECLARED].get(id) ?? '' };
    });
}

/** Returns the identifier of an element, which may be embedded instead of its identifier. */
function idOf(value: unknown): string | undefined {
  const id = isJsonObject(value) ? (value.spdxId ?? value['@id']) : value;
  return typeof id === 'string' ? id : undefined;
}

function licenceName(
  target: unknown,
  named: ReadonlyMap<string, string>,
  longest: number,
): readonly string[] {
  const inline = isJsonObject(target) ? target.simplelicensing_licenseExpression : undefined;
  if (typeof inline === 'string') return [inline.slice(0, longest)];
  const id = idOf(target);
  if (id === undefined || NO_LICENCE.test(id.slice(-100))) return [];
  // A licence of SPDX's list need not be an element: https://spdx.org/licenses/MIT.
  return [named.get(id) ?? id.slice(id.lastIndexOf('/') + 1).slice(0, longest)];
}
