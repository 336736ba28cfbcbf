import type { Visible } from '../../auth/access/access.ts';
import { Pace } from '../../lib/sync/pace.ts';
import type { NamePage, Page, RepositoryCatalog } from '../../storage/catalog/catalog.ts';

/** Names that are read at once, at least. */
const BATCH = 100;

/** Steps of Pace that reading a name and looking for a right to it cost. */
const STEPS_OF_NAME = 20;

/**
 * A page of the repositories that somebody may see, as if there were no others: neither its length nor its end tells
 * of them. Only the ranges of names are read that can hold some, and each query leaves out the ranges without any.
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
  let last = after;
  for (const prefix of visible.prefixes) {
    pace.take(1);
    if (pace.isDue) await pace.rest();
    while (mayFollow(prefix, last)) {
      signal.throwIfAborted();
      const from = latest(last, justBefore(prefix));
      const page = await repositories.list({ limit: batch, ...(from !== undefined && { after: from }) });
      for (const name of page.names) if (visible.includes(name)) names.push(name);
      await pace.after(STEPS_OF_NAME * page.names.length);
      if (names.length > limit) return { names: names.slice(0, limit), more: true };
      if (!page.more) return { names, more: false };
      last = page.names.at(-1);
    }
  }
  return { names, more: false };
}

/** Reports whether a name that begins with `prefix` can come after `last`. */
function mayFollow(prefix: string, last: string | undefined): boolean {
  return last === undefined || prefix > last || last.startsWith(prefix);
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
