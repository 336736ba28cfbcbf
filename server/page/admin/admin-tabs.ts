import type { Html } from '../../markup/html.ts';
import type { RequestContext } from '../../request-context.ts';
import { pathOf } from '../page-context.ts';
import { tabs } from '../parts.ts';

const TABS = [
  ['users', 'Users'],
  ['teams', 'Teams'],
  ['grants', 'Roles'],
  ['robots', 'Robots'],
  ['jobs', 'Jobs'],
  ['providers', 'Identity providers'],
  ['webhooks', 'Webhooks'],
  ['tag-rules', 'Tag rules'],
  ['quotas', 'Quotas'],
  ['audit', 'Audit'],
  ['health', 'Health'],
] as const;

/** The pages of the administration. */
export function adminTabs(ctx: RequestContext, current: string): Html {
  return tabs(
    'Administration',
    TABS.map(([path, text]) => ({ href: pathOf(ctx, `/admin/${path}`), text, isCurrent: path === current })),
  );
}

/** The path of an action, or of a page about one thing. */
export function sectionPath(
  ctx: RequestContext,
  place: string,
  query: Readonly<Record<string, string>> = {},
): string {
  return pathOf(ctx, `/admin/${place}`, query);
}
