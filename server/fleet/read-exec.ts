import { SettingInvalidError } from '../../auth/errors.ts';
import { isJsonObject } from '../../lib/json/json-fields.ts';

/** Maximum words of a command or variables, and total characters. */
const MAX_WORDS = 1_000;
const LONGEST_COMMAND = 16_000;

const SECRET = /pass|secret|token|key|credential|auth/i;
const HIDDEN = '***';

/** Parses the JSON of a command. Throws SettingInvalidError. */
export function parseCommand(value: string): readonly string[] {
  const words = value.length > LONGEST_COMMAND ? undefined : parse(value);
  if (
    Array.isArray(words) &&
    words.length > 0 &&
    words.length <= MAX_WORDS &&
    words.every((word): word is string => typeof word === 'string' && !word.includes('\0'))
  ) {
    return words;
  }
  throw new SettingInvalidError('"command" must be a JSON list of at least one string, such as ["sh"]');
}

/** The header with the variables of a command: it is not part of the address, so no proxy logs it. */
export const ENVIRONMENT_HEADER = 'Berth-Environment';

/** Parses that header: a JSON object of strings, in base64url. Throws SettingInvalidError. */
export function parseEnvironment(header: string | undefined): Readonly<Record<string, string>> {
  if (header === undefined) return {};
  const value = parse(Buffer.from(header, 'base64url').toString('utf8'));
  const entries = isJsonObject(value) ? Object.entries(value) : undefined;
  if (
    entries !== undefined &&
    entries.length <= MAX_WORDS &&
    entries.every(
      (entry): entry is [string, string] =>
        /^[^=\0]+$/.test(entry[0]) && typeof entry[1] === 'string' && !entry[1].includes('\0'),
    )
  ) {
    return Object.fromEntries(entries);
  }
  throw new SettingInvalidError(`${ENVIRONMENT_HEADER} must be a JSON object of strings, in base64url`);
}

/**
 * Returns a command for the audit: without the values of variables, and without words that look like secrets, such as
 * `--password=…`, `TOKEN=…` and `https://user:…@host`. Other secrets are not recognised.
 */
export function shownCommand(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
): string {
  const words = command.map((word, index) => {
    const before = command[index - 1] ?? '';
    if (before.startsWith('-') && !before.includes('=') && SECRET.test(before)) return HIDDEN;
    return shownWord(word);
  });
  const names = Object.keys(environment);
  return `${JSON.stringify(words)}${names.length === 0 ? '' : ` with ${names.join(', ')}`}`;
}

/** Redacts a word, which may be a script that contains several. */
function shownWord(word: string): string {
  return word
    .split(/([\s;&|'"]+)/)
    .map((part) => {
      const equals = part.indexOf('=');
      const isNamed = equals > 0 && SECRET.test(part.slice(0, equals));
      return isNamed ? `${part.slice(0, equals)}=${HIDDEN}` : withoutPassword(part);
    })
    .join('');
}

function withoutPassword(text: string): string {
  const scheme = text.indexOf('://');
  const at = text.indexOf('@', scheme);
  const colon = text.indexOf(':', scheme + 3);
  return scheme > 0 && colon > 0 && at > colon
    ? `${text.slice(0, colon + 1)}${HIDDEN}${text.slice(at)}`
    : text;
}

function parse(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
