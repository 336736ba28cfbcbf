import { NameInvalidError } from './errors.ts';

/** Longest repository name, in bytes; names are ASCII, so in characters too. */
export const MAX_REPOSITORY_NAME = 255;

// Each step is decided by the next character alone, so matching takes linear time.
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

/** Whether `text` is a repository name (distribution-spec, "Pulling manifests": `<name>`), at most 255 bytes. */
export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_REPOSITORY_NAME && text.split('/').every((part) => COMPONENT.test(part));
}

/** Checks a repository name that came from outside. Throws NameInvalidError, which says what is wrong. */
export function parseRepositoryName(text: string): string {
  if (!isRepositoryName(text)) throw new NameInvalidError(complaint(text));
  return text;
}

function complaint(text: string): string {
  if (text === '') return 'the repository name is empty';
  const shown = JSON.stringify(text.slice(0, 80));
  if (text.length > MAX_REPOSITORY_NAME) {
    return `the repository name ${shown}… has ${text.length} characters: at most ${MAX_REPOSITORY_NAME} are allowed`;
  }
  const part = text.split('/').find((candidate) => !COMPONENT.test(candidate)) ?? '';
  if (part === '')
    return `the repository name ${shown} has an empty component: write no slash twice, first or last`;
  if (COMPONENT.test(part.toLowerCase())) return `the repository name ${shown} must be lower case`;
  return (
    `the repository name ${shown} is not valid: the component ${JSON.stringify(part.slice(0, 80))} must consist of ` +
    'lower-case letters and digits, separated by ".", "_", "__" or dashes'
  );
}
