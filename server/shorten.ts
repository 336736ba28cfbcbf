/** Characters of a path that are logged. */
const LONGEST_PATH = 450;

/** A path for a log: whole where it can be one of this registry, and the beginning of any longer one. */
export function shortPath(path: string): string {
  return shorten(path, LONGEST_PATH);
}

/** At most `longest` characters of a text, and how many there were. */
export function shorten(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}… (${text.length} characters)`;
}
