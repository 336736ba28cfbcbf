import { EngineError } from '../../errors.ts';
import type { Platform } from '../../images/image.ts';
import { type Location, locatedMessage } from '../frontend/dockerfile-text.ts';
import { expandWord, type WordOptions } from '../frontend/expand.ts';
import { WordError } from '../frontend/expansion-budget.ts';
import type { Dockerfile } from '../frontend/parse-dockerfile.ts';

/**
 * Arguments that steps see without an ARG, and that neither the cache nor the history contains (reference, "Predefined
 * ARGs").
 */
const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'];
const PREDEFINED: ReadonlySet<string> = new Set([...PROXIES, ...PROXIES.map((name) => name.toLowerCase())]);

/** Maximum characters of a text that a message shows. */
const MAX_SHOWN = 500;

/** The client's `--build-arg`s; undefined for an argument without a value. */
export type GivenArguments = ReadonlyMap<string, string | undefined>;

/** The result of the ARGs before the first FROM. */
export interface GlobalScope {
  /** Values for FROM, and for ARGs of stages without their own value. */
  readonly values: ReadonlyMap<string, string>;
  readonly platforms: ReadonlyMap<string, string>;
}

/** Returns the client's proxies for the environment of steps, in upper and lower case, as in BuildKit. */
export function givenProxies(given: GivenArguments): readonly string[] {
  return [...PREDEFINED].flatMap((name) => {
    const other = PROXIES.includes(name) ? name.toLowerCase() : name.toUpperCase();
    const value = given.get(name) ?? given.get(other);
    return value === undefined ? [] : [`${name}=${value}`];
  });
}

/** Returns arguments that no ARG uses; the client gets a warning. */
export function unusedArguments(given: GivenArguments, taken: ReadonlySet<string>): readonly string[] {
  return [...given.keys()].filter(
    (name) => !taken.has(name) && !PREDEFINED.has(name) && !/^(?:BUILDKIT_|SOURCE_DATE_EPOCH$)/.test(name),
  );
}

/** Returns TARGETPLATFORM and related arguments (reference, "Automatic platform ARGs in the global scope"). */
export function platformArguments(
  target: Platform,
  build: Platform,
  targetStage: string,
): ReadonlyMap<string, string> {
  const of = (prefix: string, platform: Platform): [string, string][] => [
    [`${prefix}PLATFORM`, platformText(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}OSVERSION`, ''],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ];
  return new Map([...of('TARGET', target), ...of('BUILD', build), ['TARGETSTAGE', targetStage]]);
}

/**
 * Evaluates the ARGs before the first FROM; the client's values for platforms take precedence over `own`. Throws
 * EngineError 'bad-request'.
 */
export function globalScope(
  dockerfile: Dockerfile,
  given: GivenArguments,
  own: ReadonlyMap<string, string>,
): GlobalScope {
  const values = new Map<string, string>();
  const platforms = new Map([...own].map(([name, value]) => [name, given.get(name) ?? value]));
  const lookup = (name: string) => values.get(name) ?? platforms.get(name);
  for (const { pairs, at } of dockerfile.globalArguments) {
    for (const { name, value } of pairs) {
      const chosen =
        given.get(name) ?? (value === undefined ? undefined : expandAt(at, 'ARG', value, dockerfile, lookup));
      if (chosen !== undefined) values.set(name, chosen);
      else if (!values.has(name) && platforms.has(name)) values.set(name, platforms.get(name) ?? '');
    }
  }
  return { values, platforms };
}

/** Expands a text of an instruction. Throws EngineError 'bad-request' that names the instruction. */
export function expandAt(
  at: Location,
  keyword: string,
  text: string,
  { escapeToken, budget, isDocument = false }: Pick<WordOptions, 'escapeToken' | 'isDocument' | 'budget'>,
  lookup: (name: string) => string | undefined,
): string {
  try {
    return expandWord(text, { escapeToken, lookup, isDocument, ...(budget && { budget }) });
  } catch (error) {
    if (!(error instanceof WordError)) throw error;
    const message = locatedMessage(
      at,
      `${keyword}: failed to process ${JSON.stringify(shortened(text))}: ${error.message}`,
    );
    throw new EngineError('bad-request', message, { cause: error });
  }
}

/** Shortens a text for messages: people find the line by its number. */
function shortened(text: string): string {
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`;
}

/** `linux/arm/v7` */
export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant ? [variant] : [])].join('/');
}
