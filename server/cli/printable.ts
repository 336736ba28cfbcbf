/** Escapes everything that terminals interpret: control and format characters. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, escapes);
}

/** Like printable, but keeps line feeds and tabs. */
function printableLines(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    character === '\n' || character === '\t' ? character : escapes(character),
  );
}

/**
 * A line that a program has written, as a terminal gets it: tabs stay, colours unless NO_COLOR is set (no-color.org), and
 * nothing else that moves the cursor, sets a title or hides text.
 */
export function printableLog(text: string, env: NodeJS.ProcessEnv = process.env): string {
  const hasColours = (env.NO_COLOR ?? '') === '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is the sequence of a colour
  const colour = /(\x1b\[[\d;:]{0,64}m)/;
  return text
    .split(colour)
    .map((part, index) => (index % 2 === 0 ? printableLines(part) : hasColours ? part : ''))
    .join('');
}

/** Returns an address for a message: without a password in it. */
export function withoutPassword(address: string): string {
  return address.replace(/(\/\/[^:/@\s]*:)[^\s]*@/, '$1…@');
}

/** Prints a line of a command's output. */
export function printLine(text: string): void {
  process.stdout.write(`${printableLines(text)}\n`);
}

/** Prints a line for people, outside the command's output. */
export function tellLine(text: string): void {
  process.stderr.write(`${printableLines(text)}\n`);
}

/** Escapes each UTF-16 unit, as in JSON. */
function escapes(character: string): string {
  return [...Array(character.length).keys()]
    .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
    .join('');
}
