import { MANAGEMENT_PATH } from '../../api/serve-routes.ts';
import { RegistryError } from '../../errors.ts';
import { type Html, html } from '../../markup/html.ts';
import type { RequestContext } from '../../request-context.ts';
import type { ApiCalls } from '../api-calls.ts';
import { asked, pathOf } from '../page-context.ts';
import { empty, notice, pageHead, tabs } from '../parts.ts';

interface Line {
  readonly host: string;
  readonly service?: string;
  readonly instance?: number;
  readonly release?: number;
  readonly stream?: string;
  readonly time?: string;
  readonly line?: string;
  readonly error?: string;
}

interface Latest {
  readonly lines: readonly Line[];
  readonly complete: boolean;
}

/** Maximum characters of a line that are shown; berth.js has the same limit. */
const LONGEST = 2_000;
/** Number of repeated lines of each instance when an open page continues: it skips known ones. */
const OVERLAP = 100;

/** Shows the latest lines of an app, or of one of its services; with a script also new ones. */
export async function showLogs(ctx: RequestContext, api: ApiCalls): Promise<Html> {
  const name = asked(ctx, 'app');
  const params = { app: name };
  const service = asked(ctx, 'service');
  const { instances } = await api.call<{ readonly instances: readonly { readonly service: string }[] }>(
    ctx,
    'listInstances',
    { params },
  );
  const services = [...new Set(instances.map((one) => one.service))].sort();
  const latest = await readLatest(ctx, api, name, service);
  const head = pageHead('Logs', {
    crumbs: [
      { href: pathOf(ctx, '/apps'), text: 'Apps' },
      { href: pathOf(ctx, '/apps/one', params), text: name },
    ],
    actions: html`<a class="button" href="${ctx.url}">Look again</a>`,
  });
  return html`${head}${services.length > 1 && serviceLinks(ctx, name, service, services)}${typeof latest === 'string' ? notice('warn', latest) : linesOf(latest, followPath(ctx, name, service))}`;
}

function followPath(ctx: RequestContext, app: string, service: string): string {
  const query = { follow: 'true', tail: String(OVERLAP), service };
  return pathOf(ctx, `${MANAGEMENT_PATH}/apps/${encodeURIComponent(app)}/logs`, query);
}

/** Returns the lines; a sentence if no host is reachable, or none has the app. */
async function readLatest(
  ctx: RequestContext,
  api: ApiCalls,
  app: string,
  service: string,
): Promise<Latest | string> {
  const query = service === '' ? {} : { service };
  try {
    return await api.call<Latest>(ctx, 'listLatestLogs', { params: { app }, query });
  } catch (error) {
    if (error instanceof RegistryError && ['ENTRY_UNKNOWN', 'HOST_UNREACHABLE'].includes(error.kind)) {
      return error.message;
    }
    throw error;
  }
}

function serviceLinks(ctx: RequestContext, app: string, chosen: string, services: readonly string[]): Html {
  const links = ['', ...services].map((service) => ({
    href: pathOf(ctx, '/apps/logs', { app, ...(service !== '' && { service }) }),
    text: service || 'All services',
    isCurrent: service === chosen,
  }));
  return tabs('Services', links);
}

function linesOf({ complete, lines }: Latest, path: string): Html {
  const errors = lines.filter(({ error }) => error !== undefined);
  const written = lines.filter(({ line }) => line !== undefined);
  return html`${errors.map(({ error, host }) => notice('warn', `${host}: ${error}`))}${!complete && notice('info', 'Not all of the latest lines are here: there were too many, or a host was too slow.')}${
    written.length === 0 &&
    html`<div id="no-lines">${empty('No lines', html`<p>Its instances have written nothing yet.</p>`)}</div>`
  }<pre class="log" tabindex="0" aria-label="Log" data-lines="${path}"${written.length === 0 && html` hidden`}>${written.map(lineOf)}</pre>`;
}

function lineOf({ host, instance, line = '', service, stream, time = '' }: Line): Html {
  const text = line.length > LONGEST ? `${line.slice(0, LONGEST)} …` : line;
  return html`<span class="${stream === 'stderr' ? 'stderr' : 'stdout'}" data-time="${time}"><span class="origin">${time.slice(0, 23)} ${host} ${service} ${instance}</span> ${text}
</span>`;
}
