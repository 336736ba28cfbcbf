/** Text without what terminals take for commands: control and format characters are written as escapes. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, escapes);
}

/** As printable, with line feeds and tabs as they are. */
function printableLines(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    character === '\n' || character === '\t' ? character : escapes(character),
  );
}

/**
 * A line that a program has written, as a terminal gets it: colours and tabs stay, and nothing else that moves the cursor,
 * sets a title or hides text.
 */
export function printableLog(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is the sequence of a colour
  const colour = /(\x1b\[[\d;:]{0,64}m)/;
  return text
    .split(colour)
    .map((part, index) => (index % 2 === 1 ? part : printableLines(part)))
    .join('');
}

/** Prints what a command answers, with a line feed. */
export function printLine(text: string): void {
  process.stdout.write(`${printableLines(text)}\n`);
}

/** Tells people something beside the answer, with a line feed. */
export function tellLine(text: string): void {
  process.stderr.write(`${printableLines(text)}\n`);
}

/** Of each unit of UTF-16, as JSON has them. */
function escapes(character: string): string {
  return [...Array(character.length).keys()]
    .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
    .join('');
}
