import { posix } from 'node:path';
import { Glob } from '../../../lib/pattern/glob.ts';
import type { Pace } from '../../../lib/sync/pace.ts';

/** Which paths of a context a build does not see. Paths have no slash at their beginning. */
export interface IgnoreRules {
  /** Whether the path, or a folder that it lies in, is left out. */
  excludes(path: string, pace: Pace): Promise<boolean>;
  /** Whether something below an excluded path may be taken in again (`!`). */
  readonly hasExceptions: boolean;
}

/** The patterns of a `.dockerignore`: comments and empty lines left out, paths cleaned. */
export function ignoreLines(content: string): readonly string[] {
  const lines: string[] = [];
  for (const line of content.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const trimmed = line.trim();
    const negated = trimmed.startsWith('!');
    const pattern = negated ? trimmed.slice(1).trim() : trimmed;
    if (pattern === '') continue;
    const cleaned = posix
      .normalize(pattern)
      .replace(/(?<=.)\/$/, '')
      .replace(/^\/(?=.)/, '');
    lines.push(negated ? `!${cleaned}` : cleaned);
  }
  return lines;
}

/** Reads the patterns as moby does: the last one that matches a path, or a folder above it, decides. Throws PatternError. */
export function ignoreRules(patterns: readonly string[]): IgnoreRules {
  const rules = patterns.map((line) => {
    const negated = line.startsWith('!');
    return { negated, glob: new Glob(negated ? line.slice(1) : line, { doubleStars: true }) };
  });
  return {
    hasExceptions: rules.some(({ negated }) => negated),
    async excludes(path, pace) {
      let excluded = false;
      for (const { negated, glob } of rules) {
        // A rule that would change nothing need not be tried.
        if (negated !== excluded) continue;
        if (glob.covers(path, pace)) excluded = !negated;
        if (pace.isDue) await pace.rest();
      }
      return excluded;
    },
  };
}
