import type { Platform } from '../../images/image.ts';
import { hostPlatform } from '../../images/platform.ts';
import { dockerfileError, type Location } from '../frontend/dockerfile-text.ts';
import type { CopySource, Instruction } from '../frontend/instruction.ts';
import type { Dockerfile, Stage } from '../frontend/parse-dockerfile.ts';
import { suggestion } from '../frontend/suggest.ts';
import { expandAt, type GlobalScope } from './build-arguments.ts';

/** The source of a step's files, or of a stage's base image. */
export type Source =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly index: number }
  | { readonly kind: 'image'; readonly reference: string; readonly platform: Platform | undefined }
  /** Undefined means the main context. */
  | { readonly kind: 'context'; readonly name: string | undefined };

/** The meaning of names in a Dockerfile. */
export interface NameScope {
  readonly dockerfile: Dockerfile;
  readonly global: GlobalScope;
  /** As BuildRequest.namedContexts. */
  readonly namedContexts: ReadonlyMap<string, string | undefined>;
}

/** Returns the base of a stage. Throws EngineError 'bad-request'. */
export function stageBase(scope: NameScope, stage: Stage): Source {
  const { dockerfile, global } = scope;
  const { from } = stage;
  const lookup = (name: string) => global.values.get(name) ?? global.platforms.get(name);
  const name = expandAt(from.at, 'FROM', from.image, dockerfile, lookup);
  if (name === '') {
    throw dockerfileError(
      from.at,
      `FROM: base name (${from.image}) should not be blank: an ARG in it has no value`,
    );
  }
  const platformName =
    from.platform === undefined ? undefined : expandAt(from.at, 'FROM', from.platform, dockerfile, lookup);
  const earlier = dockerfile.stages.findLast(
    (other) => other.index < stage.index && other.from.name === name.toLowerCase(),
  );
  if (earlier !== undefined) return { kind: 'stage', index: earlier.index };
  if (scope.namedContexts.has(name)) return namedContext(scope, from.at, name);
  if (name === 'scratch') return { kind: 'scratch' };
  return {
    kind: 'image',
    reference: name,
    platform: platformName ? parsePlatform(from.at, platformName) : undefined,
  };
}

/** Resolves `--from` of an instruction. Throws EngineError 'bad-request' for an invalid one. */
export function copySource(scope: NameScope, stage: Stage, at: Location, source: CopySource): Source {
  if (source.kind === 'context') return { kind: 'context', name: undefined };
  const { name } = source;
  const { stages } = scope.dockerfile;
  if (/^\d+$/.test(name)) {
    const index = Number(name);
    if (index >= stage.index) {
      throw dockerfileError(
        at,
        `invalid from flag value ${name}: a number names one of the ${stage.index} stages before this one`,
      );
    }
    return { kind: 'stage', index };
  }
  if (name.includes('$')) {
    throw dockerfileError(
      at,
      "--from doesn't support variable expansion: define an alias stage, FROM with the variable AS a name",
    );
  }
  const isMeant = ({ from }: Stage) => from.name === name.toLowerCase();
  // Of several stages with one name, the last one before this stage counts.
  const named = stages.slice(0, stage.index).findLast(isMeant) ?? stages.find(isMeant);
  if (named?.index === stage.index) {
    throw dockerfileError(at, `circular dependency detected on stage: ${name} copies from itself`);
  }
  if (named !== undefined) return { kind: 'stage', index: named.index };
  if (scope.namedContexts.has(name)) return namedContext(scope, at, name);
  if (name === 'scratch') return { kind: 'scratch' };
  return { kind: 'image', reference: name, platform: undefined };
}

/** Returns the sources of an instruction's files. */
export function instructionSources(
  scope: NameScope,
  stage: Stage,
  instruction: Instruction,
): readonly Source[] {
  if (instruction.kind === 'copy' || instruction.kind === 'add') {
    return [copySource(scope, stage, instruction.at, instruction.from)];
  }
  if (instruction.kind !== 'run') return [];
  return instruction.mounts.flatMap((mount) => {
    if (mount.type === 'bind') return [copySource(scope, stage, instruction.at, mount.from)];
    if (mount.type !== 'cache' || mount.from === undefined) return [];
    return [copySource(scope, stage, instruction.at, mount.from)];
  });
}

/** Returns the stage to build. Throws EngineError 'bad-request' that names the existing ones. */
export function targetStage({ stages, at }: Dockerfile, target: string | undefined): Stage {
  const last = stages.at(-1);
  if (last === undefined) throw new TypeError('a Dockerfile has a stage');
  if (target === undefined || target === '') return last;
  const found = stages.findLast(({ from }) => from.name === target.toLowerCase());
  const numbered = /^\d+$/.test(target) ? stages[Number(target)] : undefined;
  const stage = found ?? numbered;
  if (stage !== undefined) return stage;
  const names = stages.flatMap(({ from }) => (from.name === undefined ? [] : [from.name]));
  throw dockerfileError(
    at,
    `target stage ${JSON.stringify(target.slice(0, 80))} could not be found${suggestion(target, names)}`,
  );
}

function namedContext(scope: NameScope, at: Location, name: string): Source {
  const value = scope.namedContexts.get(name);
  if (value === undefined) return { kind: 'context', name };
  const [, reference] = /^docker-image:\/\/(.+)$/.exec(value) ?? [];
  if (reference === undefined) {
    throw dockerfileError(
      at,
      `the named context ${name} is of a kind that is not supported (${value.slice(0, 80)}): folders and docker-image:// are`,
    );
  }
  return { kind: 'image', reference, platform: undefined };
}

/** Common names of architectures, with their variants (containerd's platforms). */
const ALIASES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  i386: '386',
  armhf: 'arm/v7',
  armel: 'arm/v6',
  'amd64/v1': 'amd64',
  'arm64/v8': 'arm64',
  'arm64/8': 'arm64',
  'arm/5': 'arm/v5',
  'arm/6': 'arm/v6',
  'arm/7': 'arm/v7',
};
const ARCHITECTURES =
  /^(?:386|amd64|arm|arm64|loong64|mips|mipsle|mips64|mips64le|ppc64|ppc64le|riscv64|s390x)$/;

/** Parses `linux/arm64/v8`, or a part of it: `linux` implies the host's architecture, `arm64` needs no system. */
function parsePlatform(at: Location, text: string): Platform {
  const [first = '', ...rest] = text.toLowerCase().split('/');
  const isLinux = first === 'linux';
  if (isLinux && rest.length === 0) return hostPlatform();
  const [architecture = '', variant, ...more] = resolved(isLinux ? rest : [first, ...rest]);
  const isKnown = isLinux ? /^[a-z0-9_]+$/.test(architecture) : ARCHITECTURES.test(architecture);
  if (!isKnown || more.length > 0) {
    throw dockerfileError(
      at,
      `failed to parse platform ${JSON.stringify(text.slice(0, 80))}: it must be linux/ARCHITECTURE`,
    );
  }
  return { os: 'linux', architecture, ...(variant ? { variant } : {}) };
}

function resolved(parts: readonly string[]): readonly string[] {
  const [architecture = '', ...rest] = parts;
  const known = [ALIASES[architecture] ?? architecture, ...rest].join('/');
  return (ALIASES[known] ?? known).split('/');
}
