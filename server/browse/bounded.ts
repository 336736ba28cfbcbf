/** Maximum characters of one text of a manifest or configuration that is shown. */
export const LONGEST_TEXT = 8192;
/** Maximum characters of all texts of one list or map. */
const LONGEST_SUM = 65_536;
export const MOST_ENTRIES = 1000;

/** Cuts a text that is too long, without leaving half a character at its end. */
export function cut(text: string, longest: number = LONGEST_TEXT): string {
  return text.length <= longest ? text : text.slice(0, longest).toWellFormed();
}

/** Returns the strings of a value that should be a list of strings; others are left out. */
export function textsOf(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  return within(
    value.slice(0, MOST_ENTRIES).filter((entry) => typeof entry === 'string'),
    (text) => text.length,
  ).map((text) => cut(text));
}

/** Returns the entries of a value that should be a map of strings; others are left out. */
export function mapOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  const entries: (readonly [string, string])[] = [];
  for (const name in value) {
    if (entries.length === MOST_ENTRIES) break;
    const text: unknown = (value as Readonly<Record<string, unknown>>)[name];
    if (typeof text === 'string') entries.push([cut(name), cut(text)]);
  }
  // A map without a prototype: `__proto__` is a name like others.
  return Object.assign(
    Object.create(null),
    Object.fromEntries(within(entries, ([name, text]) => name.length + text.length)),
  );
}

/** Returns the first entries, as many as have at most LONGEST_SUM characters together. */
export function within<Entry>(
  entries: readonly Entry[],
  lengthOf: (entry: Entry) => number,
): readonly Entry[] {
  let sum = 0;
  return entries.filter((entry) => {
    sum += lengthOf(entry);
    return sum <= LONGEST_SUM;
  });
}
