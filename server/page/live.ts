import { MANAGEMENT_PATH } from '../api/serve-routes.ts';
import type { FeedEvent } from '../events/feed-event.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext } from '../request-context.ts';
import { pathOf } from './page-context.ts';

/** Seconds between polls of apps: hosts' reports about instances cause no events. */
export const LOOK_AGAIN = 15;

/** Events that change a page, and their subjects. */
interface Followed {
  readonly names: readonly FeedEvent['name'][];
  readonly query?: { readonly repository?: string; readonly app?: string };
}

/** Returns a line that announces that a page is out of date, once it is. Without a script it never appears. */
export function newsLine(ctx: RequestContext, followed: Followed, text: string): Html {
  const query = new URLSearchParams(ctx.querystring);
  // Without the message about the last action, which is not news on the reloaded page.
  query.delete('done');
  const again = query.size === 0 ? ctx.path : `${ctx.path}?${query}`;
  return html`<div role="status" data-events="${eventsPath(ctx, followed)}" data-on="${followed.names.join(' ')}"><p class="notice info" data-news hidden>${text} <a href="${again}">Show the changes</a></p></div>`;
}

/**
 * Marks a part of a page that is reloaded after events, and every `every` seconds if some of it changes without events.
 * `id` is its ID in the page. It must contain no forms: reloading would discard input.
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
