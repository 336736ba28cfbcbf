import { parsePattern } from '../access/pattern.ts';
import { type Limit, MANAGE_SCOPES } from '../access/rights.ts';
import { REPOSITORY_ACTIONS } from '../access/scope.ts';
import { SettingInvalidError } from '../errors.ts';

export const MOST_LIMITS = 50;

/**
 * Parses `PATTERN:ACTION,ACTION`, such as `team/*:pull,push`, and `registry:PART` for a part of the management API,
 * such as `registry:audit`. Throws SettingInvalidError.
 */
export function parseLimits(texts: readonly string[]): readonly Limit[] {
  if (texts.length > MOST_LIMITS) {
    throw new SettingInvalidError(`a token has at most ${MOST_LIMITS} scopes: write patterns`);
  }
  return texts.map((text) => {
    const manages = MANAGE_SCOPES.find((scope) => text === `registry:${scope}`);
    if (manages !== undefined) return { manages };
    const [, pattern, list] = /^(?:repository:)?([^:]+):([a-z,]+)$/.exec(text) ?? [];
    const asked = list?.split(',') ?? [];
    const actions = REPOSITORY_ACTIONS.filter((action) => asked.includes(action));
    if (pattern === undefined || actions.length !== asked.length) {
      throw new SettingInvalidError(
        `${JSON.stringify(text.slice(0, 80))} is not a scope: write PATTERN:ACTIONS, such as team/*:pull,push, with the ` +
          `actions pull, push and delete, each once, or registry: and one of ${MANAGE_SCOPES.join(', ')}`,
      );
    }
    return { pattern: parsePattern(pattern), actions };
  });
}

/** Formats a limit as parseLimits reads it. */
export function formatLimit(limit: Limit): string {
  return 'manages' in limit ? `registry:${limit.manages}` : `${limit.pattern}:${limit.actions.join(',')}`;
}
