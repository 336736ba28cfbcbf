import { EngineError } from '../../../errors.ts';
import type { Platform } from '../../../images/image.ts';
import { platformText } from '../../../images/platform.ts';
import { decodePlatform } from '../../../images/read-platform.ts';
import type { BuildRequest } from '../../builder.ts';
import { decodeCacheImports } from './cache-entries.ts';
import { decodeMainContext, decodeNamedContexts, type MainContext, type NamedContext } from './contexts.ts';
import { type FrontendOptions, optionsBelow, splitCsv } from './options.ts';

/** A request to the frontend `dockerfile.v0`, without the client's files. */
export interface FrontendPlan {
  readonly request: Omit<
    BuildRequest,
    | 'source'
    | 'platform'
    | 'namedContexts'
    | 'cacheTo'
    | 'inlineCache'
    | 'sends'
    | 'pushesTo'
    | 'entitlements'
  >;
  /** One image for each; empty is the host's own. */
  readonly platforms: readonly Platform[];
  /** Whether the result is an index even for one platform. */
  readonly multiPlatform: boolean;
  readonly context: MainContext;
  /** The client's folder with the Dockerfile; undefined if it is in the context. */
  readonly dockerfileFolder: string;
  readonly isDockerfileLocal: boolean;
  readonly namedContexts: ReadonlyMap<string, NamedContext>;
  readonly attestations: Attestations;
}

/** Options without an effect on the result: capabilities of the client, origins of its sources. */
const WITHOUT_EFFECT =
  /^(frontend\.caps|frontendcaps|source|cmdline|vcs:.*|input-metadata:.*|context|dockerfilekey|contextkey|local-.*)$/;

const KNOWN =
  /^(filename|target|platform|multi-platform|no-cache|image-resolve-mode|force-network-mode|add-hosts|shm-size|ulimit|cache-imports|cache-from|contextsubdir|(build-arg|label|context|attest):.*)$/;

/** Why an option is refused, for those that are not simply unknown. */
const REFUSED: Readonly<Record<string, string>> = {
  'cgroup-parent': '--cgroup-parent is not supported: the steps of a build run in a cgroup of the agent',
  requestid:
    'docker build --check, --call and --print are not supported: write "# check=error=true" at the top of the Dockerfile, and build it',
};

/**
 * Decodes the options of the frontend (BuildKit's dockerfile frontend, "FrontendOpt"). `images` are results of other
 * builds used as inputs. Throws EngineError 'bad-request' for unsupported options.
 */
export function decodeFrontendOptions(
  options: FrontendOptions,
  images: ReadonlyMap<string, string>,
): FrontendPlan {
  for (const name of options.keys()) {
    if (KNOWN.test(name) || WITHOUT_EFFECT.test(name)) continue;
    throw new EngineError('bad-request', REFUSED[name] ?? `the build option "${name}" is not supported`);
  }
  const named = splitCsv(options.get('platform') ?? '').flatMap((text) => decodePlatform(text) ?? []);
  const platforms = [...new Map(named.map((each) => [platformText(each), each])).values()];
  const shmSize = options.get('shm-size');
  const ulimits = splitCsv(options.get('ulimit') ?? '').map(decodeUlimit);
  const target = options.get('target');
  const epoch = options.get('build-arg:SOURCE_DATE_EPOCH');
  return {
    request: {
      dockerfile: options.get('filename') ?? 'Dockerfile',
      ...(target === undefined || target === '' ? {} : { target }),
      buildArguments: buildArguments(options),
      labels: optionsBelow(options, 'label:'),
      noCache: noCache(options.get('no-cache')),
      pull: options.get('image-resolve-mode') === 'pull',
      network: network(options.get('force-network-mode')),
      extraHosts: splitCsv(options.get('add-hosts') ?? '').map((host) => host.replace('=', ':')),
      ...(shmSize === undefined ? {} : { shmSize: wholeNumber('--shm-size', shmSize) }),
      ...(ulimits.length === 0 ? {} : { limits: { Ulimits: ulimits } }),
      ...(epoch === undefined || epoch === ''
        ? {}
        : { sourceDateEpoch: wholeNumber('SOURCE_DATE_EPOCH', epoch) }),
      cacheFrom: decodeCacheImports(options),
    },
    platforms,
    multiPlatform: platforms.length > 1 || options.get('multi-platform') === 'true',
    context: decodeMainContext(options),
    dockerfileFolder: options.get('dockerfilekey') ?? 'dockerfile',
    isDockerfileLocal: options.has('dockerfilekey'),
    namedContexts: decodeNamedContexts(options, images),
    attestations: decodeAttestations(optionsBelow(options, 'attest:')),
  };
}

/** Arguments for the builder rather than a Dockerfile; clients handle these themselves. */
const OF_CLIENTS = /^BUILDKIT_(INLINE_CACHE|MULTI_PLATFORM|INLINE_BUILDINFO_ATTRS|CONTEXT_KEEP_GIT_DIR)$/;
/** Build arguments that would change how the builder works. */
const OF_BUILDER = /^BUILDKIT_(SYNTAX|CACHE_MOUNT_NS|SANDBOX_HOSTNAME)$/;

function buildArguments(options: FrontendOptions): ReadonlyMap<string, string> {
  const given = [...optionsBelow(options, 'build-arg:')];
  const refused = given.find(([name]) => OF_BUILDER.test(name));
  if (refused !== undefined) {
    throw new EngineError('bad-request', `the build argument ${refused[0]} is not supported`);
  }
  return new Map(given.filter(([name]) => !OF_CLIENTS.test(name)));
}

/** `nofile=1024:2048`, or with one number for both. */
function decodeUlimit(text: string) {
  const [, Name = '', soft = '', hard = soft] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (Name === '') {
    throw new EngineError('bad-request', `--ulimit ${text} is none: write one such as nofile=1024:2048`);
  }
  return { Name, Soft: Number(soft), Hard: Number(hard) };
}

function noCache(value: string | undefined): BuildRequest['noCache'] {
  if (value === undefined) return false;
  return value === '' ? true : value.split(',');
}

function network(mode: string | undefined): string {
  switch (mode) {
    case undefined:
    case '':
    case 'sandbox':
      return 'default';
    case 'host':
    case 'none':
      return mode;
    default:
      throw new EngineError(
        'bad-request',
        `the network mode "${mode}" of a build is none of default, host and none`,
      );
  }
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,15}$/.test(text))
    throw new EngineError('bad-request', `${name} is "${text}", which is not a whole number`);
  return Number(text);
}

/** The attestations that a client requests. */
interface Attestations {
  /** `min` omits the client's arguments; undefined if no provenance is requested. */
  readonly provenance?: 'min' | 'max';
}

/** Decodes the options `attest:…`, without the prefix. Throws EngineError 'bad-request' for an SBOM. */
function decodeAttestations(options: ReadonlyMap<string, string>): Attestations {
  for (const name of options.keys()) {
    if (name === 'provenance') continue;
    throw new EngineError(
      'bad-request',
      name === 'sbom'
        ? '--sbom is not supported: this agent does not list the contents of an image, so build without it'
        : `the attestation "${name}" is not supported: there is provenance`,
    );
  }
  const provenance = options.get('provenance');
  if (provenance === undefined) return {};
  const attributes = new Map(
    provenance.split(',').map((part) => {
      const [name = '', value = ''] = part.split('=');
      return [name, value] as const;
    }),
  );
  // buildx's default, for images that are pushed in an index, which this agent does not need.
  if (attributes.get('inline-only') === 'true' || attributes.get('disabled') === 'true') return {};
  const mode = attributes.get('mode') ?? 'min';
  if (mode !== 'min' && mode !== 'max') {
    throw new EngineError('bad-request', `the mode "${mode}" of --provenance is neither min nor max`);
  }
  return { provenance: mode };
}
