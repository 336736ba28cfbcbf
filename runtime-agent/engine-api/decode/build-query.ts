import { fieldsList, isJsonObject, parseJson, stringList, stringMap } from '../../../lib/json/json-fields.ts';
import { readReference } from '../../../oci/distribution/errors.ts';
import type { BuildRequest, StepLimits } from '../../builder/builder.ts';
import { type GitUrl, isGitUrl, parseGitUrl } from '../../builder/context/git/git-url.ts';
import { EngineError } from '../../errors.ts';
import { decodePlatform } from '../../images/read-platform.ts';
import { queryBoolean, queryInteger } from '../http/query.ts';
import { type BuildkitQuery, decodeBuildkitQuery } from './buildkit-query.ts';

/** The parameters of `POST /build`, besides its context (Engine API, ImageBuild). */
export interface BuildQuery {
  readonly request: Omit<BuildRequest, 'source'>;
  /** `repository:tag`, in the order in which they were given. */
  readonly tags: readonly string[];
  /** The git repository of the context; undefined means that the context is the body. */
  readonly remote: GitUrl | undefined;
  /** Whether only the ID is answered. */
  readonly quiet: boolean;
  /** Whether the client wants to keep the containers of steps; here there are none. */
  readonly keepsContainers: boolean;
  /** For `POST /build/cancel`. */
  readonly id: string | undefined;
  /** Parameters for BuildKit (`version=2`); undefined means that the classic builder builds. */
  readonly buildkit: BuildkitQuery | undefined;
}

/** Unsupported parameters; a value other than those listed is refused. */
const UNSUPPORTED: readonly {
  readonly name: string;
  readonly harmless: readonly string[];
  readonly why: string;
}[] = [
  { name: 'squash', harmless: ['', '0', 'false'], why: '--squash is not supported' },
  { name: 'isolation', harmless: ['', 'default'], why: 'Linux has no isolation technologies to choose from' },
  { name: 'cgroupparent', harmless: [''], why: 'a parent cgroup for builds is not supported' },
  { name: 'securityopt', harmless: ['', '[]', 'null'], why: 'security options for builds are not supported' },
];

/** Parameters that only BuildKit supports, likewise. */
const OF_BUILDKIT: typeof UNSUPPORTED = [
  { name: 'outputs', harmless: ['', '[]', 'null'], why: 'outputs need BuildKit: build with version=2' },
  { name: 'session', harmless: [''], why: 'sessions need BuildKit: build with version=2' },
];

/** Reads the parameters. Throws EngineError 'bad-request', and 'not-implemented' for unsupported features of builds. */
export function decodeBuildQuery(query: URLSearchParams): BuildQuery {
  const isBuildkit = decodeVersion(query.get('version') ?? '') === '2';
  for (const { name, harmless, why } of isBuildkit ? UNSUPPORTED : [...UNSUPPORTED, ...OF_BUILDKIT]) {
    if (!harmless.includes(query.get(name)?.trim().toLowerCase() ?? ''))
      throw new EngineError('not-implemented', why);
  }
  const platform = decodePlatform(query.get('platform'));
  const target = query.get('target') ?? '';
  const shmSize = queryInteger(query, 'shmsize');
  const buildArguments = decodeBuildArguments(query.get('buildargs'));
  const epoch = decodeEpoch(buildArguments.get('SOURCE_DATE_EPOCH'));
  const limits = decodeLimits(query);
  const network = query.get('networkmode') || 'default';
  const id = query.get('buildid') ?? '';
  return {
    request: {
      dockerfile: query.get('dockerfile') || 'Dockerfile',
      ...(target === '' ? {} : { target }),
      buildArguments,
      labels: decodeLabels(query.get('labels')),
      ...(platform === undefined ? {} : { platform }),
      noCache: queryBoolean(query, 'nocache'),
      pull: queryBoolean(query, 'pull'),
      network,
      // There is no other syntax for it here, and the command line states it explicitly.
      entitlements: network === 'host' ? ['network.host'] : [],
      extraHosts: query.getAll('extrahosts').flatMap(decodeList),
      ...(shmSize === undefined || shmSize === 0 ? {} : { shmSize }),
      ...(Object.keys(limits).length === 0 ? {} : { limits }),
      namedContexts: new Map(),
      cacheFrom: decodeList(query.get('cachefrom') ?? '').map((reference) => ({
        kind: 'registry',
        reference,
      })),
      cacheTo: [],
      ...(epoch === undefined ? {} : { sourceDateEpoch: epoch }),
    },
    tags: query
      .getAll('t')
      .filter((name) => name !== '')
      .map(checkedTag),
    remote: isBuildkit ? undefined : decodeRemote(query.get('remote') ?? ''),
    quiet: queryBoolean(query, 'q'),
    keepsContainers: query.has('rm') && !queryBoolean(query, 'rm') && !queryBoolean(query, 'forcerm'),
    id: id === '' ? undefined : id,
    buildkit: isBuildkit ? decodeBuildkitQuery(query) : undefined,
  };
}

function decodeVersion(text: string): string {
  if (['', '1', '2'].includes(text)) return text;
  throw new EngineError('bad-request', `invalid version "${text.slice(0, 40)}"`);
}

function decodeRemote(text: string): GitUrl | undefined {
  if (text === '') return undefined;
  if (isGitUrl(text)) return parseGitUrl(text);
  throw new EngineError(
    'not-implemented',
    'the agent fetches no contexts but git repositories: send the files',
  );
}

function checkedTag(text: string): string {
  const reference = readReference(text);
  if (reference.digest !== undefined) {
    throw new EngineError('bad-request', 'refusing to create a tag with a digest reference');
  }
  return text;
}

/** Decodes a list as JSON, or one value, as older clients send it. */
function decodeList(text: string): readonly string[] {
  if (!text.trim().startsWith('[')) return text === '' || text === 'null' ? [] : [text];
  return stringList(parseParameter(text, 'a list'), 'a list in the query');
}

/** Decodes build arguments. Values may be null: the client named the argument without a value. */
function decodeBuildArguments(text: string | null): ReadonlyMap<string, string | undefined> {
  const value = parseParameter(text, 'buildargs') ?? {};
  if (!isJsonObject(value)) throw new EngineError('bad-request', 'buildargs must be a JSON object');
  return new Map(
    Object.entries(value).map(([name, argument]) => {
      if (argument === null) return [name, undefined];
      if (typeof argument !== 'string')
        throw new EngineError('bad-request', `the build argument ${name} must be a string`);
      return [name, argument];
    }),
  );
}

function decodeLabels(text: string | null): ReadonlyMap<string, string> {
  return new Map(Object.entries(stringMap(parseParameter(text, 'labels') ?? {}, 'labels')));
}

function decodeEpoch(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^\d{1,11}$/.test(text)) {
    throw new EngineError(
      'bad-request',
      `SOURCE_DATE_EPOCH must be seconds since 1970, not ${text.slice(0, 40)}`,
    );
  }
  return Number(text);
}

function decodeLimits(query: URLSearchParams): StepLimits {
  const numbers = [
    ['Memory', 'memory'],
    ['MemorySwap', 'memswap'],
    ['CpuShares', 'cpushares'],
    ['CpuPeriod', 'cpuperiod'],
    ['CpuQuota', 'cpuquota'],
  ].flatMap(([field = '', name = '']) => {
    const value = queryInteger(query, name) ?? 0;
    return value === 0 ? [] : [[field, value]];
  });
  const texts = [
    ['CpusetCpus', 'cpusetcpus'],
    ['CpusetMems', 'cpusetmems'],
  ].flatMap(([field = '', name = '']) => {
    const value = query.get(name) ?? '';
    return value === '' ? [] : [[field, value]];
  });
  const ulimits = decodeUlimits(query.get('ulimits'));
  return {
    ...Object.fromEntries([...numbers, ...texts]),
    ...(ulimits.length === 0 ? {} : { Ulimits: ulimits }),
  };
}

function decodeUlimits(text: string | null): NonNullable<StepLimits['Ulimits']> {
  return fieldsList(parseParameter(text, 'ulimits') ?? [], 'ulimits').map((item) => {
    const Name = item.string('Name');
    if (Name === '' || !item.has('Soft') || !item.has('Hard')) {
      throw new EngineError('bad-request', 'a ulimit needs a Name, a Soft and a Hard limit');
    }
    return { Name, Soft: item.integer('Soft'), Hard: item.integer('Hard') };
  });
}

/** Parses a parameter that contains JSON; null if it is absent or empty. */
function parseParameter(text: string | null, name: string): unknown {
  return text === null || text === '' ? null : parseJson(text, `${name} is not valid JSON`);
}
