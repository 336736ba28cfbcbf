const SPACE = ' \t\r\n';
/** Compose would silently drop the rest of the command here, or refuse it. */
const OPERATORS = ';&|<>()`';

/**
 * Splits a command string into arguments, as Compose does: quoted words stay together, and a backslash escapes the next
 * character, except between single quotes. There is no shell, so an unquoted shell operator is refused. Returns an
 * error message for text that cannot be split.
 */
export function splitShellWords(text: string): readonly string[] | string {
  const words: string[] = [];
  let word: string | undefined;
  let open = '';
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (character === '\\' && open !== "'") {
      index += 1;
      if (index === text.length) return 'the command ends with a backslash';
      word = (word ?? '') + text.charAt(index);
    } else if (open !== '') {
      if (character === open) open = '';
      else word = (word ?? '') + character;
    } else if (character === '"' || character === "'") {
      open = character;
      word ??= '';
    } else if (SPACE.includes(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (OPERATORS.includes(character)) {
      return (
        `the command has an unquoted ${character}, which no shell reads: ` +
        'quote it, or write a list that begins with sh, -c'
      );
    } else word = (word ?? '') + character;
  }
  if (open !== '') return `the command has a ${open} that is not closed`;
  if (word !== undefined) words.push(word);
  return words;
}
