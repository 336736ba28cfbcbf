import { MANAGEMENT_PATH } from '../api/serve-routes.ts';
import type { FeedEvent } from '../events/feed-event.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext } from '../request-context.ts';
import { pathOf } from './page-context.ts';

/** Time between two looks at apps, s: what hosts report of instances is no event. */
export const LOOK_AGAIN = 15;

/** Events by which a page changes, and what they have to be about. */
interface Followed {
  readonly names: readonly FeedEvent['name'][];
  readonly query?: { readonly repository?: string; readonly app?: string };
}

/** A line that says that a page shows something old, once that is so. Without a script it never appears. */
export function newsLine(ctx: RequestContext, followed: Followed, text: string): Html {
  const query = new URLSearchParams(ctx.querystring);
  // What was done before is no news on the page that is opened again.
  query.delete('done');
  const again = query.size === 0 ? ctx.path : `${ctx.path}?${query}`;
  return html`<div role="status" data-events="${eventsPath(ctx, followed)}" data-on="${followed.names.join(' ')}"><p class="notice info" data-news hidden>${text} <a href="${again}">Show the changes</a></p></div>`;
}

/**
 * A part of a page that is loaded again when something has happened, and every `every` seconds where some of it changes without
 * events. `id` is its in the page. It has no forms: what somebody writes would go.
 */
export function livePart(
  ctx: RequestContext,
  followed: Followed & { readonly id: string; readonly every?: number | undefined },
  content: Html,
): Html {
  const { every, id, names } = followed;
  return html`<div id="${id}" data-events="${eventsPath(ctx, followed)}" data-on="${names.join(' ')}"${every !== undefined && html` data-every="${every}"`}>${content}</div>`;
}

function eventsPath(ctx: RequestContext, { query }: Followed): string {
  return pathOf(ctx, `${MANAGEMENT_PATH}/events`, { ...query, after: ctx.state.eventsAfter });
}
