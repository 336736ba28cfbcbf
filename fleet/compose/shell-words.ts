const SPACE = ' \t\r\n';
/** Where Compose would silently drop the rest of the command, or refuse it. */
const OPERATORS = ';&|<>()`';

/**
 * Splits a command that is written as a string into its arguments, as Compose does: words in quotes stay together, and a
 * backslash takes the next character as it is, except between single quotes. There is no shell, so an operator of a shell
 * outside quotes is refused. Answers a sentence instead of words for text that cannot be split.
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
