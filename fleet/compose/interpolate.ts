/** Looks up a variable; undefined if it is not set. */
export type Lookup = (name: string) => string | undefined;

/** A template cannot be expanded; the message says why. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  readonly code = 'template-invalid';
}

/** Maximum nesting of `${A:-${B:-…}}`. */
const DEEPEST = 50;
const NAME = /[_A-Za-z][_A-Za-z0-9]*/y;
const OPERATOR = /:?[-+?]/y;

/**
 * Expands variables as `docker compose config` does: `$NAME`, `${NAME}`, with a default (`:-`, `-`), an alternative
 * (`:+`, `+`) or an error (`:?`, `?`), each of which may contain variables; `$$` is a dollar sign. Calls `unset` for
 * variables that expand to nothing. Throws TemplateError.
 */
export function interpolate(
  template: string,
  lookup: Lookup,
  unset: (name: string) => void = () => {},
): string {
  return fill(template, lookup, unset, 0);
}

function fill(template: string, lookup: Lookup, unset: (name: string) => void, depth: number): string {
  if (depth > DEEPEST) throw new TemplateError(`has variables nested deeper than ${DEEPEST}`);
  let filled = '';
  let position = 0;
  for (let dollar = template.indexOf('$'); dollar >= 0; dollar = template.indexOf('$', position)) {
    filled += template.slice(position, dollar);
    const next = template.charAt(dollar + 1);
    if (next === '$') {
      filled += '$';
      position = dollar + 2;
    } else if (next === '{') {
      const end = closingBrace(template, dollar + 1);
      if (end < 0) throw new TemplateError(`has a \${ without its }: write $$ for a dollar sign`);
      filled += fillBraces(template.slice(dollar + 2, end), lookup, unset, depth);
      position = end + 1;
    } else {
      const name = matchAt(NAME, template, dollar + 1);
      filled += name === '' ? '$' : plainValue(name, lookup, unset);
      position = dollar + 1 + name.length;
    }
  }
  return filled + template.slice(position);
}

function fillBraces(inner: string, lookup: Lookup, unset: (name: string) => void, depth: number): string {
  const name = matchAt(NAME, inner, 0);
  const operator = matchAt(OPERATOR, inner, name.length);
  if (name === '' || (operator === '' && name.length < inner.length)) {
    const shown = JSON.stringify(`\${${inner.slice(0, 80)}}`);
    throw new TemplateError(`${shown} is not a variable: write $$ for a dollar sign`);
  }
  if (operator === '') return plainValue(name, lookup, unset);
  const value = lookup(name);
  const rest = inner.slice(name.length + operator.length);
  const isThere = value !== undefined && !(operator.startsWith(':') && value === '');
  const more = () => fill(rest, lookup, unset, depth + 1);
  if (operator.endsWith('-')) return isThere ? value : more();
  if (operator.endsWith('+')) return isThere ? more() : '';
  if (isThere) return value;
  const reason = more();
  throw new TemplateError(`the variable ${name} must be set${reason === '' ? '' : `: ${reason}`}`);
}

function plainValue(name: string, lookup: Lookup, unset: (name: string) => void): string {
  const value = lookup(name);
  if (value === undefined) unset(name);
  return value ?? '';
}

/**
 * Returns the position of the brace that closes the one at `open`; the first `}` if the braces inside are unbalanced.
 */
function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let index = open; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (character === '{') depth += 1;
    if (character === '}') depth -= 1;
    if (depth === 0) return index;
  }
  return text.indexOf('}', open);
}

function matchAt(expression: RegExp, text: string, position: number): string {
  expression.lastIndex = position;
  return expression.exec(text)?.[0] ?? '';
}
