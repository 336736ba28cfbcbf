import { type AuditEvent, COLLECTED, RESTORED } from '../../storage/catalog/audit-catalog.ts';
import { integer, type ObjectOf, object, optional, text, timestamp } from '../api/schema.ts';

/** Names of events, in the field `event:`; `reset` concerns a stream and not the registry. */
export const EVENT_NAMES = [
  'push',
  'delete',
  'restore',
  'app',
  'rollout',
  'host',
  'garbage',
  'change',
] as const;

/** The data of an event; which fields it has depends on its name. */
export const EVENT_DATA = object(
  {
    at: timestamp(),
    by: optional(text({ description: 'The account, robot, job or host; absent for an anonymous client' })),
    repository: optional(text({ description: 'Of push, delete and restore' })),
    digest: optional(text()),
    tag: optional(text({ description: 'Absent for a manifest without tags' })),
    mediaType: optional(text()),
    size: optional(integer({ description: 'Of the manifest, bytes' })),
    app: optional(text({ description: 'Of app and rollout' })),
    release: optional(integer({ description: 'Of rollout' })),
    state: optional(text({ description: 'Of rollout: how it ended' })),
    reason: optional(text({ description: 'Of rollout: why it failed' })),
    host: optional(text({ description: 'Of host; absent when several may have changed state' })),
    change: optional(
      text({
        description:
          'What was done: of app, host, garbage and change. Of host also its new state: online, offline or unknown; ' +
          'states: reload the hosts',
      }),
    ),
  },
  { title: 'Event' },
);

/** Who may see an event: readers of a repository or an app, readers of all hosts, or administrators. */
export type Audience =
  | { readonly kind: 'repository' | 'app'; readonly name: string }
  | { readonly kind: 'hosts' | 'administrators' };

/** An event, as its readers may see it. */
export interface FeedEvent {
  readonly name: (typeof EVENT_NAMES)[number];
  readonly audience: Audience;
  readonly data: ObjectOf<(typeof EVENT_DATA)['fields']>;
}

const ROLLOUT = /^release (\d{1,15}) of (\S+) is ([a-z ]+)(?:: (.*))?$/s;
const FOLLOWED = /^release \d+ of (\S+) begins: /;
const REQUEST = /^(?:POST|PUT|PATCH|DELETE) \/\S*?api\/v1\/(apps|hosts)\/([^/?\s]+)(?:\/([a-z-]+))?/;
/** Matches a command on the machine of the registry. */
const COMMAND = /^berth host (change|rm) (\S+)/;
const JOINED = /^the host (\S+) joined /;
const DRY_RUN = /[{,]"dryRun":true[,}]/;

/**
 * Converts an entry of the audit for readers; undefined for entries without a visible change: refusals, logins, dry
 * runs, and blobs, whose manifest follows. Client addresses stay in the audit.
 */
export function feedEventOf(entry: AuditEvent): FeedEvent | undefined {
  if (entry.outcome !== 'done') return undefined;
  if (entry.action === 'push' || entry.action === 'delete') return imageEvent(entry);
  return entry.action === 'manage' ? changeEvent(entry) : undefined;
}

function imageEvent(entry: AuditEvent): FeedEvent | undefined {
  const { action, detail, digest, mediaType, repository, size, tag } = entry;
  if (repository === undefined || (mediaType === undefined && tag === undefined)) return undefined;
  return {
    name: detail === RESTORED ? 'restore' : action === 'push' ? 'push' : 'delete',
    audience: { kind: 'repository', name: repository },
    data: {
      ...commonData(entry),
      repository,
      ...(digest !== undefined && { digest }),
      ...(tag !== undefined && { tag }),
      ...(mediaType !== undefined && { mediaType }),
      ...(size !== undefined && { size }),
    },
  };
}

function changeEvent(entry: AuditEvent): FeedEvent | undefined {
  const { detail = '', repository } = entry;
  const common = commonData(entry);
  const [, number, app = '', state = '', reason] = ROLLOUT.exec(detail) ?? [];
  if (number !== undefined && app === repository) {
    const data = { ...common, app, release: Number(number), state, ...(reason !== undefined && { reason }) };
    return { name: 'rollout', audience: { kind: 'app', name: app }, data };
  }
  const followed = FOLLOWED.exec(detail)?.[1];
  if (followed !== undefined && followed === repository) return appEvent(common, followed, 'push');
  const [, kind, encoded = '', part] = REQUEST.exec(detail) ?? [];
  if (kind === 'apps') {
    if (DRY_RUN.test(detail)) return undefined;
    const change = part ?? (detail.startsWith('DELETE') ? 'remove' : 'change');
    return appEvent(common, decoded(encoded), change === 'releases' ? 'deploy' : change);
  }
  if (kind === 'hosts') {
    return hostEvent(common, decoded(encoded), detail.startsWith('DELETE') ? 'remove' : 'change');
  }
  const [, verb, named = ''] = COMMAND.exec(detail) ?? [];
  if (verb !== undefined) return hostEvent(common, named, verb === 'rm' ? 'remove' : 'change');
  const joined = JOINED.exec(detail)?.[1];
  if (joined !== undefined) return hostEvent(common, joined, 'join');
  const isGarbage = detail.startsWith(COLLECTED);
  return {
    name: isGarbage ? 'garbage' : 'change',
    audience: { kind: 'administrators' },
    data: { ...common, change: detail },
  };
}

type CommonData = Pick<FeedEvent['data'], 'at' | 'by'>;

function appEvent(common: CommonData, app: string, change: string): FeedEvent {
  return { name: 'app', audience: { kind: 'app', name: app }, data: { ...common, app, change } };
}

function hostEvent(common: CommonData, host: string, change: string): FeedEvent {
  return { name: 'host', audience: { kind: 'hosts' }, data: { ...common, host, change } };
}

function commonData({ at, who }: AuditEvent): CommonData {
  return { at: at.toISOString(), ...(who !== undefined && { by: who }) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
