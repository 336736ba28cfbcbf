import { posix } from 'node:path';

/** The lines of an ignore file as patterns that clients take: without comments, cleaned, relative (Dockerfile reference, ".dockerignore file"). */
export function ignorePatterns(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line, index) => {
    // A byte order mark is no part of the first pattern.
    const text = index === 0 ? line.replace(/^\uFEFF/, '') : line;
    if (text.startsWith('#')) return [];
    const pattern = text.trim();
    if (pattern === '' || pattern === '!') return [];
    const negated = pattern.startsWith('!');
    const path = posix.normalize(negated ? pattern.slice(1).trim() : pattern);
    const relative = path.length > 1 && path.startsWith('/') ? path.slice(1) : path;
    const cleaned = relative.length > 1 && relative.endsWith('/') ? relative.slice(0, -1) : relative;
    return [negated ? `!${cleaned}` : cleaned];
  });
}
