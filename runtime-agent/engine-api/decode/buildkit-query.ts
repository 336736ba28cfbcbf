import { fieldsList, parseJson, stringMap } from '../../../lib/json/json-fields.ts';
import type { BuildRequest } from '../../builder/builder.ts';
import type { EngineBuild } from '../../builder/buildkit/control/engine-build.ts';
import { EngineError } from '../../errors.ts';
import { platformText } from '../../images/platform.ts';

/** Parameters of `POST /build?version=2` that the classic builder does not have. */
export interface BuildkitQuery {
  /** '' without a session. */
  readonly session: string;
  /** Location of the context: the body of the request, the session, or an address that the agent fetches. */
  readonly context:
    | { readonly kind: 'body' }
    | { readonly kind: 'session' }
    | { readonly kind: 'remote'; readonly address: string };
  /** Undefined means an image with the tags. */
  readonly output: Output | undefined;
}

interface Output {
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** Reads the parameters of BuildKit alone. Throws EngineError 'bad-request'. */
export function decodeBuildkitQuery(query: URLSearchParams): BuildkitQuery {
  const network = query.get('networkmode') ?? '';
  if (!['', 'default', 'host', 'none'].includes(network)) {
    throw new EngineError('bad-request', `network mode "${network.slice(0, 80)}" not supported by buildkit`);
  }
  const address = query.get('remote') ?? '';
  return {
    session: query.get('session') ?? '',
    context:
      address === ''
        ? { kind: 'body' }
        : address === 'client-session'
          ? { kind: 'session' }
          : { kind: 'remote', address },
    output: decodeOutput(query.get('outputs') ?? ''),
  };
}

function decodeOutput(text: string): Output | undefined {
  if (text === '') return undefined;
  const outputs = fieldsList(parseJson(text, 'outputs is not valid JSON') ?? [], 'outputs');
  if (outputs.length > 1) throw new EngineError('bad-request', 'multiple outputs not supported');
  return outputs.map((output) => ({
    type: output.string('Type'),
    attributes: new Map(Object.entries(stringMap(output.value('Attrs') ?? {}, 'Attrs'))),
  }))[0];
}

/** Returns the build for BuildKit, in the terms of moby's builder-next. */
export function buildkitRequest(
  { request, tags }: { readonly request: Omit<BuildRequest, 'source'>; readonly tags: readonly string[] },
  { session, context, output }: BuildkitQuery,
): Omit<EngineBuild, 'sent'> {
  const given = [...request.buildArguments].flatMap(([name, value]) =>
    value === undefined ? [] : [[`build-arg:${name}`, value] as const],
  );
  const ulimits = (request.limits?.Ulimits ?? []).map(({ Name, Soft, Hard }) => `${Name}=${Soft}:${Hard}`);
  const options = new Map<string, string>([
    ...given,
    ...[...request.labels].map(([name, value]) => [`label:${name}`, value] as const),
    ['filename', request.dockerfile],
    [
      'cache-from',
      request.cacheFrom.flatMap((from) => (from.kind === 'registry' ? from.reference : [])).join(),
    ],
    ['image-resolve-mode', request.pull ? 'pull' : 'default'],
    ['add-hosts', request.extraHosts.map((host) => host.replace(':', '=')).join()],
    ['ulimit', ulimits.join()],
  ]);
  if (request.target !== undefined) options.set('target', request.target);
  if (request.noCache !== false) options.set('no-cache', '');
  if (request.platform !== undefined) options.set('platform', platformText(request.platform));
  if (request.network !== 'default') options.set('force-network-mode', request.network);
  if (request.shmSize !== undefined) options.set('shm-size', String(request.shmSize));
  if (context.kind === 'remote') options.set('context', context.address);
  return {
    session,
    options,
    exporters: exportersOf(output, tags),
    entitlements: request.entitlements,
    inlineCache: /^(?:1|t|true)$/i.test(request.buildArguments.get('BUILDKIT_INLINE_CACHE') ?? ''),
  };
}

function exportersOf(output: Output | undefined, tags: readonly string[]): EngineBuild['exporters'] {
  const { type, attributes } = output ?? { type: 'moby', attributes: new Map<string, string>() };
  if (type === 'cacheonly') return [];
  const isNamed = (type === 'moby' || type === 'image') && tags.length > 0;
  return [{ type, attributes: isNamed ? new Map([...attributes, ['name', tags.join()]]) : attributes }];
}
