/** The token that the scanner expects next. */
type State =
  | 'value'
  | 'key or end'
  | 'key'
  | 'colon'
  | 'element or end'
  | 'after member'
  | 'after element'
  | 'after top-level value';

const EXPECTATIONS: Readonly<Record<State, string>> = {
  value: 'looking for beginning of value',
  'key or end': 'looking for beginning of object key string',
  key: 'looking for beginning of object key string',
  colon: 'after object key',
  'element or end': 'looking for beginning of value',
  'after member': 'after object key:value pair',
  'after element': 'after array element',
  'after top-level value': 'after top-level value',
};

/** A syntax error of JSON. */
export interface SyntaxFault {
  /** In the words of Go's encoding/json, such as `invalid character 'i' looking for beginning of value`. */
  readonly message: string;
  /** Whether a complete value comes before the fault. */
  readonly isTrailing: boolean;
}

/** Finds the first fault in a text that JSON.parse has refused. Linear in the length of the text. */
export function findSyntaxFault(text: string): SyntaxFault {
  const open: ('{' | '[')[] = [];
  let state = 'value' as State;
  for (let at = 0; at < text.length; ) {
    const character = text.charAt(at);
    if (isBlank(character)) {
      at++;
      continue;
    }
    const wantsValue = state === 'value' || state === 'element or end';
    const wantsKey = state === 'key' || state === 'key or end';
    if (wantsKey && character === '"') {
      const end = scanString(text, at);
      if (typeof end !== 'number') return fault(end);
      at = end;
      state = 'colon';
      continue;
    }
    if (wantsValue && (character === '{' || character === '[')) {
      open.push(character);
      state = character === '{' ? 'key or end' : 'element or end';
    } else if (wantsValue && !(state === 'element or end' && character === ']')) {
      const end = scanScalar(text, at);
      if (typeof end !== 'number') return fault(end);
      at = end;
      state = stateAfterValue(open);
      continue;
    } else if (state === 'colon' && character === ':') state = 'value';
    else if (state === 'after member' && character === ',') state = 'key';
    else if (state === 'after element' && character === ',') state = 'value';
    else if (
      (character === '}' && (state === 'key or end' || state === 'after member')) ||
      (character === ']' && (state === 'element or end' || state === 'after element'))
    ) {
      open.pop();
      state = stateAfterValue(open);
    } else {
      return {
        ...fault(invalid(character, EXPECTATIONS[state])),
        isTrailing: state === 'after top-level value',
      };
    }
    at++;
  }
  return fault('unexpected EOF');
}

/** Returns what may follow a value inside the innermost of the open brackets. */
function stateAfterValue(open: readonly ('{' | '[')[]): State {
  const inside = open.at(-1);
  if (inside === undefined) return 'after top-level value';
  return inside === '{' ? 'after member' : 'after element';
}

function fault(message: string): SyntaxFault {
  return { message, isTrailing: false };
}

function invalid(character: string, where: string): string {
  if (character === '') return 'unexpected EOF';
  const shown = character === "'" ? "\\'" : character === '"' ? '"' : JSON.stringify(character).slice(1, -1);
  return `invalid character '${shown}' ${where}`;
}

/** Returns the end of a string, number or literal, or the message of its fault. */
function scanScalar(text: string, at: number): number | string {
  const character = text.charAt(at);
  if (character === '"') return scanString(text, at);
  const literal = { t: 'true', f: 'false', n: 'null' }[character];
  if (literal !== undefined) return scanLiteral(text, at, literal);
  if (character === '-' || isDigit(character)) return scanNumber(text, at);
  return invalid(character, EXPECTATIONS.value);
}

function scanString(text: string, start: number): number | string {
  for (let at = start + 1; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '"') return at + 1;
    if (character < ' ') return invalid(character, 'in string literal');
    if (character !== '\\') continue;
    at++;
    const escaped = text.charAt(at);
    if (escaped === '' || !'"\\/bfnrtu'.includes(escaped)) return invalid(escaped, 'in string escape code');
    if (escaped !== 'u') continue;
    for (const end = at + 4; at < end; ) {
      at++;
      const digit = text.charAt(at);
      if (!/^[0-9a-fA-F]$/.test(digit)) return invalid(digit, 'in \\u hexadecimal character escape');
    }
  }
  return 'unexpected EOF';
}

function scanLiteral(text: string, start: number, literal: string): number | string {
  for (let length = 1; length < literal.length; length++) {
    const character = text.charAt(start + length);
    if (character === literal.charAt(length)) continue;
    return invalid(character, `in literal ${literal} (expecting '${literal.charAt(length)}')`);
  }
  return start + literal.length;
}

function scanNumber(text: string, start: number): number | string {
  let at = start;
  const skipDigits = () => {
    while (isDigit(text.charAt(at))) at++;
  };
  if (text.charAt(at) === '-') at++;
  if (!isDigit(text.charAt(at))) return invalid(text.charAt(at), 'in numeric literal');
  if (text.charAt(at) === '0') at++;
  else skipDigits();
  if (text.charAt(at) === '.') {
    at++;
    if (!isDigit(text.charAt(at))) return invalid(text.charAt(at), 'after decimal point in numeric literal');
    skipDigits();
  }
  if (text.charAt(at).toLowerCase() === 'e') {
    at++;
    if ('+-'.includes(text.charAt(at)) && at < text.length) at++;
    if (!isDigit(text.charAt(at))) return invalid(text.charAt(at), 'in exponent of numeric literal');
    skipDigits();
  }
  return at;
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9';
}

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\n' || character === '\r';
}
