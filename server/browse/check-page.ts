import { SettingInvalidError } from '../../auth/errors.ts';

/** Maximum characters of a search: no name is longer. */
const LONGEST_SEARCH = 255;

/**
 * Throws SettingInvalidError for a search that no name or description can match; PostgreSQL accepts no text with a NUL.
 */
export function refuseSearch(search: string | undefined): void {
  if (search === undefined) return;
  if (search.length > LONGEST_SEARCH) {
    throw new SettingInvalidError(`"search" must have at most ${LONGEST_SEARCH} characters`);
  }
  if (/\p{Cc}/u.test(search)) throw new SettingInvalidError('"search" must have no control characters');
}
