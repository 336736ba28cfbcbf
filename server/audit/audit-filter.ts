import { AUDIT_ACTIONS, AUDIT_OUTCOMES, type AuditFilter } from '../../storage/catalog/audit-catalog.ts';
import { parseDuration } from '../config/duration.ts';

/** A filter, which is an option of the command and a query parameter of the API. */
export type AuditFilterName = 'who' | 'action' | 'outcome' | 'repository' | 'since' | 'until';

/** Parses a filter. Calls `refuse` with the name of an invalid field, and the expected form. */
export function parseAuditFilter(
  texts: Readonly<Partial<Record<AuditFilterName, string | undefined>>>,
  refuse: (name: AuditFilterName, reason: string) => never,
): AuditFilter {
  const { who, action, outcome, repository, since, until } = texts;
  const oneOf = <Value extends string>(name: AuditFilterName, text: string, values: readonly Value[]) =>
    values.find((value) => value === text) ??
    refuse(name, `${quoted(text)} is not one of ${values.join(', ')}`);
  const timeOf = (name: AuditFilterName, text: string) =>
    parseTime(text) ??
    refuse(
      name,
      `${quoted(text)} is not a time: write 2026-11-27, 2026-11-27T08:00Z, or a duration before now, such as 2h or 7d`,
    );
  return {
    ...(who !== undefined && { who }),
    ...(action !== undefined && { action: oneOf('action', action, AUDIT_ACTIONS) }),
    ...(outcome !== undefined && { outcome: oneOf('outcome', outcome, AUDIT_OUTCOMES) }),
    ...(repository !== undefined && { repository }),
    ...(since !== undefined && { since: timeOf('since', since) }),
    ...(until !== undefined && { until: timeOf('until', until) }),
  };
}

function parseTime(text: string): Date | undefined {
  const ago = parseDuration(text);
  if (ago !== undefined) return new Date(Date.now() - ago);
  const isTime = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/.test(text);
  const time = new Date(isTime ? text : Number.NaN);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
