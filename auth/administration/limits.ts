import { parsePattern } from '../access/pattern.ts';
import type { Grant } from '../access/rights.ts';
import { REPOSITORY_ACTIONS } from '../access/scope.ts';
import { SettingInvalidError } from '../errors.ts';

const MOST_LIMITS = 50;

/** Reads `PATTERN:ACTION,ACTION`, such as `team/*:pull,push`. Throws SettingInvalidError. */
export function parseLimits(texts: readonly string[]): readonly Grant[] {
  if (texts.length > MOST_LIMITS) {
    throw new SettingInvalidError(`a token has at most ${MOST_LIMITS} scopes: write patterns`);
  }
  return texts.map((text) => {
    const [, pattern, list] = /^(?:repository:)?([^:]+):([a-z,]+)$/.exec(text) ?? [];
    const asked = list?.split(',') ?? [];
    const actions = REPOSITORY_ACTIONS.filter((action) => asked.includes(action));
    if (pattern === undefined || actions.length !== asked.length) {
      throw new SettingInvalidError(
        `${JSON.stringify(text.slice(0, 80))} is no scope: write PATTERN:ACTIONS, such as team/*:pull,push, with the ` +
          'actions pull, push and delete, each once',
      );
    }
    return { pattern: parsePattern(pattern), actions };
  });
}

/** As parseLimits reads it. */
export function formatLimit({ pattern, actions }: Grant): string {
  return `${pattern}:${actions.join(',')}`;
}
