import { SettingInvalidError } from '../errors.ts';

const LONGEST = 255;
/** Maximum stars: each one slows matching down. */
const MOST_STARS = 5;
const CHARACTERS = /^[a-z0-9*][a-z0-9._/*-]*$/;

/**
 * Parses a pattern of repositories: a name in which `*` stands for any run of characters, including slashes, so that
 * `team/*` is everything below `team/`. Throws SettingInvalidError for a pattern that can match no repository or is
 * ambiguous.
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
      `${JSON.stringify(text.slice(0, 80))} is not a pattern of repositories: write a name in which * stands for any ` +
        'characters, such as team/*, or * for all',
    );
  }
  return text;
}
