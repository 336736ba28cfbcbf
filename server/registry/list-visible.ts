import type { Visible } from '../../auth/access/access.ts';
import { Pace } from '../../lib/sync/pace.ts';
import type { NamePage, Page, RepositoryCatalog } from '../../storage/catalog/catalog.ts';

/** Names that are read at once, at least. */
const BATCH = 100;

/** Steps of Pace that reading a name costs. */
const STEPS_OF_NAME = 20;

/**
 * A page of the repositories that somebody may see, as if there were no others: neither its length nor its end tells
 * of them. Only the ranges of names are read that can hold some.
 */
export async function listVisible(
  repositories: Pick<RepositoryCatalog, 'list'>,
  visible: Visible,
  { limit, after }: Page,
  signal: AbortSignal,
): Promise<NamePage> {
  const names: string[] = [];
  const batch = Math.max(BATCH, limit + 1);
  const pace = new Pace();
  for (const prefix of disjoint(visible.prefixes)) {
    let last = latest(after, justBefore(prefix));
    for (;;) {
      signal.throwIfAborted();
      const page = await repositories.list({ limit: batch, ...(last !== undefined && { after: last }) });
      const inRange = page.names.filter((name) => name.startsWith(prefix));
      for (const name of inRange) {
        if (visible.includes(name)) names.push(name);
        // Each name is compared with all that its asker may see.
        await pace.after(visible.prefixes.length);
      }
      await pace.after(STEPS_OF_NAME * page.names.length);
      if (names.length > limit) return { names: names.slice(0, limit), more: true };
      last = page.names.at(-1);
      if (!page.more || inRange.length < page.names.length) break;
    }
  }
  return { names, more: false };
}

/** In order, without those that another one begins. */
function disjoint(prefixes: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (const prefix of [...new Set(prefixes)].sort()) {
    const before = kept.at(-1);
    if (before === undefined || !prefix.startsWith(before)) kept.push(prefix);
  }
  return kept;
}

/** A text that comes after every name before `prefix` and before all that begin with it: `~` is in no name. */
function justBefore(prefix: string): string | undefined {
  if (prefix === '') return undefined;
  return `${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) - 1)}~`;
}

function latest(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one > other ? one : other;
}
