import { posix } from 'node:path';
import { PatternError } from '../../../lib/pattern/glob.ts';
import { IgnorePattern } from '../../../lib/pattern/ignore-pattern.ts';
import { trimOf } from '../../../lib/pattern/trim.ts';
import type { Pace } from '../../../lib/sync/pace.ts';

/** The paths of a context that are hidden from a build. Paths have no leading slash. */
export interface IgnoreRules {
  /** Reports whether the path, or a folder above it, is excluded. Throws PatternError. */
  excludes(path: string, pace: Pace): Promise<boolean>;
  /** Whether something below an excluded path may be included again (`!`). */
  readonly hasExceptions: boolean;
}

/** Characters that Go's strings.TrimSpace removes: also U+0085, but not U+FEFF as `trim` does. */
const SPACES =
  '\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000';

/** Returns the patterns of a `.dockerignore`, without comments and empty lines, with cleaned paths. */
export function ignoreLines(content: string): readonly string[] {
  const lines: string[] = [];
  for (const line of content.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const trimmed = trimOf(line, SPACES);
    const mark = trimmed.startsWith('!') ? '!' : '';
    const pattern = trimOf(trimmed.slice(mark.length), SPACES);
    const rooted = pattern === '' ? '' : clean(pattern).replace(/^\/(?=.)/s, '');
    // A space may be beside a slash.
    const written = trimOf(`${mark}${rooted}`, SPACES);
    if (written !== '') lines.push(clean(written));
  }
  return lines;
}

/** Cleans a path like Go's filepath.Clean. */
function clean(path: string): string {
  return posix.normalize(path).replace(/(?<=.)\/$/s, '');
}

/** A pattern that matches this path alone. */
export function exactPattern(path: string): string {
  return clean(path)
    .replace(/[!-/:-@[-`{-~]/g, '\\$&')
    .replaceAll('\\/', '/');
}

/**
 * Reads the patterns as moby does: the last one that matches a path, or a folder above it, decides. Throws
 * PatternError.
 */
export function ignoreRules(patterns: readonly string[]): IgnoreRules {
  const rules = patterns.map((line) => {
    const negated = line.startsWith('!');
    if (line === '!') throw new PatternError(line);
    return { negated, pattern: new IgnorePattern(negated ? line.slice(1) : line) };
  });
  return {
    hasExceptions: rules.some(({ negated }) => negated),
    async excludes(path, pace) {
      let excluded = false;
      for (const { negated, pattern } of rules) {
        // A rule that would change nothing need not be tried.
        if (negated !== excluded) continue;
        if (pattern.covers(path, pace)) excluded = !negated;
        if (pace.isDue) await pace.rest();
      }
      return excluded;
    },
  };
}
