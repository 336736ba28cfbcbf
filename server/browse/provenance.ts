import { OciError } from '../../oci/errors.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../oci/json.ts';
import type { Manifest } from '../../oci/manifest.ts';
import { cut, within } from './bounded.ts';
import type { ProvenanceView } from './browse.ts';
import type { ContentReader } from './read-content.ts';
import { attests, predicateOf } from './sbom.ts';

/** Maximum bytes of provenance: JSON is parsed in one piece, which blocks all other requests. */
const LARGEST = 2 * 1024 * 1024;
const LONGEST_TEXT = 1000;
const LONGEST_TIME = 64;
const MOST_MATERIALS = 100;
const PROVENANCE_TYPE = /slsa\.dev\/provenance\//i;
/** BuildKit's field for the repository of a build in SLSA 0.2; in SLSA 1 it is `buildkit_metadata`. */
const BUILDKIT_METADATA = 'https://mobyproject.org/buildkit@v1#metadata';

const NOTHING: Pick<ProvenanceView, 'materials' | 'materialCount'> = { materials: [], materialCount: 0 };

/**
 * Returns the provenance of an attestation: SLSA 0.1 to 1 as the predicate of an in-toto statement, also in a DSSE
 * envelope or Sigstore bundle, whose signature is not verified here. Undefined if no layer declares one.
 */
export async function provenanceOf(
  content: ContentReader,
  repository: string,
  { annotations, layers }: Manifest,
): Promise<ProvenanceView | undefined> {
  const layer = layers.find((one) => attests(one, annotations, PROVENANCE_TYPE));
  if (layer === undefined) return undefined;
  const body = await content.blob(repository, layer.digest, LARGEST);
  return typeof body === 'string' ? { problem: body, ...NOTHING } : readProvenance(body);
}

/** Parses a provenance, ignoring invalid parts. */
export function readProvenance(body: Buffer): ProvenanceView {
  try {
    const predicate = predicateOf(parseJsonObject(body, 'the provenance'));
    if (isJsonObject(predicate.buildDefinition)) return fromSlsa1(predicate);
    if (isJsonObject(predicate.builder)) return fromOldSlsa(predicate);
    return { problem: 'the provenance is not that of SLSA', ...NOTHING };
  } catch (error) {
    if (error instanceof OciError) return { problem: error.message, ...NOTHING };
    throw error;
  }
}

/** Reads SLSA 1: `buildDefinition` and `runDetails`. BuildKit names its source `configSource`, GitHub `workflow`. */
function fromSlsa1({ buildDefinition, runDetails }: JsonObject): ProvenanceView {
  const { buildType, externalParameters, resolvedDependencies } = objectOf(buildDefinition);
  const { builder, metadata } = objectOf(runDetails);
  const { buildkit_metadata, finishedOn, invocationId, startedOn } = objectOf(metadata);
  const { configSource, workflow } = objectOf(externalParameters);
  const { path, repository } = objectOf(workflow);
  const { path: file } = objectOf(configSource);
  const { revision, source } = sourceOf(configSource, buildkit_metadata);
  return viewOf(
    {
      builder: objectOf(builder).id,
      buildType,
      source: source ?? repository,
      revision: revision ?? commitOf(resolvedDependencies),
      entryPoint: file ?? path,
      invocation: invocationId,
    },
    { startedOn, finishedOn },
    resolvedDependencies,
  );
}

/** Reads SLSA 0.2, and 0.1 as far as it has the same fields. */
function fromOldSlsa({ buildType, builder, invocation, materials, metadata }: JsonObject): ProvenanceView {
  const details = objectOf(metadata);
  const { configSource } = objectOf(invocation);
  return viewOf(
    {
      builder: objectOf(builder).id,
      buildType,
      ...sourceOf(configSource, details[BUILDKIT_METADATA]),
      entryPoint: objectOf(configSource).entryPoint,
      invocation: details.buildInvocationID ?? details.buildInvocationId,
    },
    { startedOn: details.buildStartedOn, finishedOn: details.buildFinishedOn },
    materials,
  );
}

/**
 * Returns the source of a build: a repository that BuildKit fetched itself, or else the one of its client's working
 * directory.
 */
function sourceOf(
  configSource: unknown,
  buildkit: unknown,
): { readonly source?: unknown; readonly revision?: unknown } {
  const { digest, uri } = objectOf(configSource);
  if (typeof uri === 'string' && uri !== '') return { source: uri, revision: firstOf(digest) };
  const { revision, source } = objectOf(objectOf(buildkit).vcs);
  return { source, revision };
}

/** Returns the commit of the first dependency that has one. */
function commitOf(dependencies: unknown): unknown {
  for (const one of objectsOf(dependencies).slice(0, MOST_MATERIALS)) {
    const { gitCommit } = objectOf(one.digest);
    if (typeof gitCommit === 'string') return gitCommit;
  }
  return undefined;
}

function viewOf(
  texts: Readonly<Record<string, unknown>>,
  { finishedOn, startedOn }: { readonly startedOn: unknown; readonly finishedOn: unknown },
  materials: unknown,
): ProvenanceView {
  const all = objectsOf(materials);
  const uris = all
    .slice(0, MOST_MATERIALS)
    .flatMap(({ uri }) => (typeof uri === 'string' && uri !== '' ? [cut(uri, LONGEST_TEXT)] : []));
  return {
    ...Object.fromEntries(
      Object.entries(texts).flatMap(([name, text]) =>
        typeof text === 'string' && text !== '' ? [[name, cut(text, LONGEST_TEXT)]] : [],
      ),
    ),
    ...timeOf('started', startedOn),
    ...timeOf('finished', finishedOn),
    materials: within(uris, (uri) => uri.length),
    materialCount: all.length,
  };
}

/** Returns a valid time in the usual form. */
function timeOf(name: 'started' | 'finished', text: unknown): Readonly<Record<string, Date>> {
  if (typeof text !== 'string' || text.length > LONGEST_TIME) return {};
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? {} : { [name]: time };
}

function firstOf(digest: unknown): unknown {
  for (const name in objectOf(digest)) return objectOf(digest)[name];
  return undefined;
}

function objectsOf(list: unknown): readonly JsonObject[] {
  return Array.isArray(list) ? list.filter(isJsonObject) : [];
}

function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}
