import { goDuration } from '../../../lib/time/timestamp.ts';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import { expandWords } from '../frontend/expand.ts';
import type { Command, Healthcheck, Instruction } from '../frontend/instruction.ts';
import { isSecretName } from '../frontend/lint/lint-dockerfile.ts';
import type { StageScope } from './stage-scope.ts';

/** Maximum variables of one stage, as many as the kernel passes to a program. */
const MAX_VARIABLES = 2000;
/** Cost of an entry of a set, in characters: the set is copied with each added entry. */
const ENTRY = 64;

/**
 * Applies an instruction that changes no file to the configuration of its stage, and returns its history entry. Throws
 * EngineError 'bad-request'.
 */
export function planConfig(scope: StageScope, instruction: Instruction): string {
  const { config } = scope.state;
  const expand = (text: string) => scope.expand(instruction, text);
  switch (instruction.kind) {
    case 'arg':
      return takeArguments(scope, instruction);
    case 'env':
      return takeEnvironment(scope, instruction);
    case 'label': {
      const pairs = instruction.pairs.map(({ key, value }) => [expand(key), expand(value)]);
      scope.spend(instruction, Object.keys(config.Labels ?? {}).length * ENTRY);
      config.Labels = { ...config.Labels, ...Object.fromEntries(pairs) };
      return `LABEL ${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}`;
    }
    case 'cmd': {
      const words = wordsOf(scope, instruction.command);
      config.Cmd = words;
      scope.state.commandIsOwn = true;
      return `CMD ${goList(words)}`;
    }
    case 'entrypoint': {
      const words = wordsOf(scope, instruction.command);
      config.Entrypoint = words;
      if (!scope.state.commandIsOwn) delete config.Cmd;
      return `ENTRYPOINT ${goList(words)}`;
    }
    case 'user':
      config.User = expand(instruction.value);
      return `USER ${config.User}`;
    case 'stopsignal': {
      const signal = expand(instruction.value);
      if (!/^(?:SIG)?[A-Z][A-Z0-9+-]*$|^\d{1,2}$/i.test(signal)) {
        throw dockerfileError(instruction.at, `STOPSIGNAL: invalid signal: ${signal.slice(0, 40)}`);
      }
      config.StopSignal = signal;
      return `STOPSIGNAL ${signal}`;
    }
    case 'maintainer':
      scope.state.author = instruction.value;
      return `MAINTAINER ${instruction.value}`;
    case 'expose': {
      const ports = instruction.values.flatMap((value) => portsOf(scope, instruction, value));
      scope.spend(instruction, Object.keys(config.ExposedPorts ?? {}).length * ENTRY);
      config.ExposedPorts = {
        ...config.ExposedPorts,
        ...Object.fromEntries(ports.map((port) => [port, {}])),
      };
      return `EXPOSE ${goSet(ports)}`;
    }
    case 'volume': {
      const paths = instruction.values.map(expand);
      scope.spend(instruction, Object.keys(config.Volumes ?? {}).length * ENTRY);
      config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
      return `VOLUME [${paths.join(' ')}]`;
    }
    case 'shell':
      config.Shell = instruction.words;
      return `SHELL [${instruction.words.join(' ')}]`;
    case 'healthcheck':
      config.Healthcheck = { ...instruction.healthcheck };
      return `HEALTHCHECK ${goHealthcheck(instruction.healthcheck)}`;
    case 'onbuild':
      config.OnBuild = [...(config.OnBuild ?? []), instruction.trigger];
      return `ONBUILD ${instruction.trigger}`;
    default:
      throw new TypeError(`${instruction.kind} changes files`);
  }
}

function takeArguments(
  scope: StageScope,
  instruction: Extract<Instruction, { readonly kind: 'arg' }>,
): string {
  const { given, names, state, taken } = scope;
  const shown: string[] = [];
  for (const { name, value } of instruction.pairs) {
    taken.add(name);
    const own = value === undefined ? undefined : scope.expand(instruction, value);
    const { values, platforms } = names.global;
    const chosen = given.get(name) ?? own ?? values.get(name) ?? platforms.get(name);
    state.setArgument(name, chosen);
    checkCount(instruction, state.argumentCount);
    shown.push(chosen === undefined ? name : `${name}=${isSecretName(name) ? '<hidden>' : chosen}`);
  }
  return `ARG ${shown.join(' ')}`;
}

/** Applies an ENV; its names are visible from the next instruction on. */
function takeEnvironment(
  scope: StageScope,
  instruction: Extract<Instruction, { readonly kind: 'env' | 'label' }>,
): string {
  const pairs = instruction.pairs.map(
    ({ key, value }) => [scope.expand(instruction, key), scope.expand(instruction, value)] as const,
  );
  for (const [key, value] of pairs) {
    scope.state.setEnvironment(key, value);
    checkCount(instruction, scope.state.config.Env?.length ?? 0);
  }
  return `ENV ${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}`;
}

/** Checks the number of variables, since each step gets all of them. */
function checkCount(instruction: Instruction, count: number): void {
  if (count <= MAX_VARIABLES) return;
  const keyword = instruction.kind.toUpperCase();
  throw dockerfileError(instruction.at, `${keyword}: a stage has more than ${MAX_VARIABLES} variables`);
}

function wordsOf({ state }: StageScope, command: Command): readonly string[] {
  return command.form === 'exec' ? command.words : [...state.shell, command.text];
}

function portsOf(scope: StageScope, instruction: Instruction, value: string): readonly string[] {
  const { escapeToken, budget } = scope.names.dockerfile;
  scope.expand(instruction, value);
  return expandWords(value, { escapeToken, budget, lookup: scope.state.lookup }).flatMap((word) => {
    const [, first, last, protocol = 'tcp'] =
      /^(?:.*:)?(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp)?)?$/i.exec(word) ?? [];
    const from = Number(first);
    const to = last === undefined ? from : Number(last);
    if (first === undefined || from > 65535 || to > 65535 || to < from) {
      throw dockerfileError(instruction.at, `EXPOSE: invalid containerPort: ${word.slice(0, 80)}`);
    }
    scope.spend(instruction, (to - from + 1) * ENTRY);
    return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol.toLowerCase()}`);
  });
}

/** Formats texts of the history in the form that existing tools write and expect: Go's `%q` of a list or set. */
export function goList(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(' ')}]`;
}

export function goSet(names: readonly string[]): string {
  return `map[${[...names]
    .sort()
    .map((name) => `${name}:{}`)
    .join(' ')}]`;
}

/** Go's `%q` of BuildKit's structure for a health check; its number of retries is quoted as a character. */
export function goHealthcheck(check: Healthcheck): string {
  const times = [check.Interval, check.Timeout, check.StartPeriod, check.StartInterval];
  const quoted = times.map((time = 0) => `"${time === 0 ? '0s' : goDuration(time / 1e6)}"`);
  return `&{${goList(check.Test)} ${quoted.join(' ')} ${goCharacter(check.Retries ?? 0)}}`;
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\u0007', 'a'],
  ['\b', 'b'],
  ['\t', 't'],
  ['\n', 'n'],
  ['\v', 'v'],
  ['\f', 'f'],
  ['\r', 'r'],
  ["'", "'"],
  ['\\', '\\'],
]);

function goCharacter(code: number): string {
  const character = code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
  const escaped = ESCAPES.get(character);
  if (escaped !== undefined) return `'\\${escaped}'`;
  if (/^\P{C}$/u.test(character)) return `'${character}'`;
  const hex = code.toString(16);
  return code < 0x80 ? `'\\x${hex.padStart(2, '0')}'` : `'\\u${hex.padStart(4, '0')}'`;
}
