import { isJsonObject } from '../../lib/json/json-fields.ts';
import type { ComposePath, ComposeProblem, ProblemList } from './compose-error.ts';

const DEEPEST = 32;
const MOST_VALUES = 20_000;
/** Maximum characters of all strings and keys; each alias counts in full. */
const MOST_CHARACTERS = 2 * 1024 * 1024;

/** Adds a problem for a document that is too large or too deep, or has a key that is unsafe to copy. */
export function checkBounds(document: unknown, problems: ProblemList): void {
  const found = findExcess(document);
  if (found !== undefined) problems.add(found.path, found.message);
}

function findExcess(document: unknown): ComposeProblem | undefined {
  const open: { readonly value: unknown; readonly path: ComposePath }[] = [{ value: document, path: [] }];
  const tooMany = { path: [], message: `has more than ${MOST_VALUES} values` };
  let values = 0;
  let characters = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, path } = next;
    values += 1;
    if (typeof value === 'string') characters += value.length;
    if (values > MOST_VALUES) return tooMany;
    if (characters > MOST_CHARACTERS)
      return { path: [], message: `has more than ${MOST_CHARACTERS} characters` };
    if (path.length > DEEPEST) return { path: path.slice(0, 4), message: `is nested deeper than ${DEEPEST}` };
    const entries: readonly (readonly [string | number, unknown])[] = Array.isArray(value)
      ? [...value.entries()]
      : isJsonObject(value)
        ? Object.entries(value)
        : [];
    if (open.length + entries.length > MOST_VALUES) return tooMany;
    for (const [key, item] of entries) {
      if (typeof key === 'string') characters += key.length;
      if (key === '__proto__') return { path, message: 'the key __proto__ is not allowed' };
      open.push({ value: item, path: [...path, key] });
    }
  }
  return undefined;
}
