import { SettingInvalidError } from '../errors.ts';

const LONGEST = 255;
/** Each star makes matching slower; nobody needs many. */
const MOST_STARS = 5;
const CHARACTERS = /^[a-z0-9*][a-z0-9._/*-]*$/;

/**
 * A set of repositories: a name in which `*` stands for any run of characters, slashes too, so that `team/*` is all
 * below `team/`. Throws SettingInvalidError for what can match no repository or could be misread.
 */
export function parsePattern(text: string): string {
  const stars = text.split('*').length - 1;
  if (
    text.length > LONGEST ||
    stars > MOST_STARS ||
    !CHARACTERS.test(text) ||
    /\*\*|\/\/|\/$|\.\./.test(text)
  ) {
    throw new SettingInvalidError(
      `${JSON.stringify(text.slice(0, 80))} is no pattern of repositories: write a name in which * stands for any ` +
        'characters, such as team/*, or * for all',
    );
  }
  return text;
}
