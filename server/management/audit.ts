import type { Middleware } from 'koa';
import { nameOf } from '../../auth/access/access.ts';
import { isAdmin, unlimited } from '../../auth/access/rights.ts';
import type { Authenticator } from '../../auth/authenticators/authenticator.ts';
import { SettingInvalidError } from '../../auth/errors.ts';
import type { Sessions } from '../../auth/sessions/sessions.ts';
import {
  AUDIT_ACTIONS,
  AUDIT_OUTCOMES,
  type AuditCatalog,
  type AuditEntry,
  type AuditFilter,
} from '../../storage/catalog/audit-catalog.ts';
import { recordingChange } from '../../storage/catalog/recorded-change.ts';
import { ADMINS } from '../api/access.ts';
import { limitParameter } from '../api/page.ts';
import { type Route, route } from '../api/route.ts';
import {
  integer,
  list,
  nullable,
  type OptionalSchema,
  object,
  oneOf,
  optional,
  text,
  timestamp,
} from '../api/schema.ts';
import { type AuditFilterName, parseAuditFilter } from '../audit/audit-filter.ts';
import { auditLines, shownEvent } from '../audit/audit-lines.ts';
import { answerStream } from '../http/answer.ts';
import { shorten } from '../log.ts';
import { identifyAgain } from '../login/session-of.ts';
import type { RequestContext, RequestState } from '../request-context.ts';

const USUAL_LIMIT = 100;
const LARGEST_LIMIT = 1000;

export interface AuditRoutesDependencies {
  readonly audit: AuditCatalog;
  readonly authenticator: Authenticator;
  readonly sessions: Sessions;
  readonly isDraining: () => boolean;
}

const EVENT = object(
  {
    id: text({ description: 'Grows with time' }),
    at: timestamp(),
    who: optional(text({ description: 'The account, robot or job; absent for an anonymous client' })),
    address: optional(text({ description: 'Of the client' })),
    action: oneOf(AUDIT_ACTIONS),
    outcome: oneOf(AUDIT_OUTCOMES),
    repository: optional(text()),
    digest: optional(text()),
    tag: optional(text()),
    mediaType: optional(text({ description: 'Of a manifest; absent for blobs' })),
    size: optional(integer()),
    detail: optional(text()),
    count: integer({ description: 'Number of similar events that it represents' }),
  },
  { title: 'AuditEvent' },
);

const FILTERS = {
  repository: optional(text({ description: 'Only this repository; * stands for any characters' })),
  who: optional(text({ description: 'Only this account, robot or job' })),
  action: optional(text({ description: 'Only this action', enum: AUDIT_ACTIONS })),
  outcome: optional(text({ description: 'Only this outcome', enum: AUDIT_OUTCOMES })),
  since: optional(
    text({
      description: 'From this time on: 2026-11-27, 2026-11-27T08:00Z, or a duration before now, such as 2h',
    }),
  ),
  until: optional(text({ description: 'Before this time, written as `since`' })),
} as const satisfies Readonly<Record<AuditFilterName, OptionalSchema<string>>>;

const BEFORE = text({ description: 'Only events before this id: the `next` of the previous page' });
const AFTER = text({ description: 'The id of the previous event' });

/** The audit log, and refusals. */
export function auditRoutes(dependencies: AuditRoutesDependencies): readonly Route[] {
  const { audit, isDraining } = dependencies;
  return [
    route({
      method: 'GET',
      path: '/audit',
      id: 'listAudit',
      summary: 'Who did what, and what was refused',
      description: 'The newest event first. With `after`, later events, the oldest first.',
      access: ADMINS,
      area: 'audit',
      query: {
        limit: limitParameter(USUAL_LIMIT, LARGEST_LIMIT),
        ...FILTERS,
        after: optional(AFTER),
        before: optional(BEFORE),
      },
      answer: object({
        events: list(EVENT),
        next: nullable(
          text({ description: 'The `before` of the next page, or its `after` if the request had one' }),
        ),
      }),
      async handle({ query: { limit = USUAL_LIMIT, ...query } }) {
        const filter = filterOf(query);
        const after = idOf('after', query.after);
        const before = idOf('before', query.before);
        if (after !== undefined && before !== undefined) {
          throw new SettingInvalidError('"after" and "before" exclude each other');
        }
        const events =
          after === undefined
            ? await audit.latest({ ...filter, ...(before !== undefined && { before }), limit })
            : await audit.list({ ...filter, after, limit });
        const next = events.length < limit ? null : (events.at(-1)?.id ?? null);
        return { events: events.map(shownEvent), next };
      },
    }),
    route({
      method: 'GET',
      path: '/audit/stream',
      id: 'streamAudit',
      summary: 'The same as JSON lines, and then new events',
      description:
        'The oldest event first. Ends when the server stops or the login ends; resume with `after` and the id of the last event.',
      access: ADMINS,
      area: 'audit',
      query: { after: optional(AFTER), ...FILTERS },
      lines: EVENT,
      handle({ ctx, query }) {
        const after = idOf('after', query.after);
        const page = { ...filterOf(query), ...(after !== undefined && { after }) };
        // A stream outlives the right to it by at most a second.
        const ends = async () => isDraining() || !(await isStillAdministrator(ctx, dependencies));
        const lines = auditLines(audit, page, ctx.state.signal, ends);
        answerStream(ctx, lines, { 'Content-Type': 'application/jsonl' });
      },
    }),
  ];
}

function filterOf(texts: Readonly<Partial<Record<AuditFilterName, string>>>): AuditFilter {
  return parseAuditFilter(texts, (name, reason) => {
    throw new SettingInvalidError(`"${name}": ${reason}`);
  });
}

function idOf(name: 'after' | 'before', id: string | undefined): string | undefined {
  if (id !== undefined && !/^\d{1,18}$/.test(id)) {
    throw new SettingInvalidError(`"${name}" is not the id of an event`);
  }
  return id;
}

/** Reports whether the client of a long request is still an administrator, by the same credentials. */
async function isStillAdministrator(
  ctx: RequestContext,
  logins: Pick<AuditRoutesDependencies, 'authenticator' | 'sessions'>,
): Promise<boolean> {
  try {
    const identity = await identifyAgain(ctx, logins);
    if (identity === undefined || identity.kind === 'anonymous') return false;
    return isAdmin(identity.proof.kind === 'credential' ? unlimited(identity.rights) : identity.rights);
  } catch {
    // In doubt the stream ends; the next request gets the reason.
    return false;
  }
}

/** Maximum characters of a detail: the first fields suffice to recognise a change of many. */
const LONGEST_DETAIL = 4000;

/**
 * Records every change by the management API in its transaction; a request that changed nothing in the database is
 * recorded before its answer is sent.
 */
export function recordChanges(audit: Pick<AuditCatalog, 'record'>): Middleware<RequestState> {
  return async (ctx, next) => {
    if (ctx.method === 'GET' || ctx.method === 'HEAD') return next();
    const entry = () => changeOf(ctx.state, `${ctx.method} ${ctx.path}${ctx.search}`);
    const recorded = await recordingChange(entry, next);
    if (!recorded && ctx.status < 400) await audit.record([entry()]);
  };
}

/** Returns the record of a change by the management API: `what` is its method and its path. */
export function changeOf({ asked, identity, origin }: RequestState, what: string): AuditEntry {
  const who = nameOf(identity);
  const fields = asked === undefined ? '' : ` ${JSON.stringify(asked)}`;
  return {
    at: new Date(),
    ...(who !== undefined && { who }),
    ...(origin.remote !== undefined && { address: origin.remote }),
    action: 'manage',
    outcome: 'done',
    detail: shorten(`${what}${fields}`, LONGEST_DETAIL),
    count: 1,
  };
}
