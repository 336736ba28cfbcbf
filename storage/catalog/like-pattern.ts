/** The pattern of a wildcard as LIKE takes it, with `!` as its escape. */
export function likeOf(pattern: string): string {
  return pattern.replaceAll(/[!%_]/g, '!$&').replaceAll('*', '%');
}
