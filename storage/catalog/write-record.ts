import { randomUUID } from 'node:crypto';
import type { Knex } from 'knex';
import type { Digest } from '../../oci/digest.ts';
import type { AuditEntry } from './audit-catalog.ts';
import { insertEntries } from './recorded-change.ts';
import type { RepositoryPolicy } from './repository-policy.ts';
import { batches } from './rows.ts';
import type { Actor } from './tag-rule-catalog.ts';
import type { ToldEvent } from './webhook-catalog.ts';

/** Rows in one statement: databases limit the number of its values. */
const BATCH = 50;

/** A change by a transaction of the catalog. */
export interface Write {
  readonly action: 'push' | 'mount' | 'delete';
  readonly repository: string;
  readonly digest: Digest;
  /** Tags that were set or deleted; empty for a manifest without tags, or a blob. */
  readonly tags?: readonly string[];
  readonly mediaType?: string;
  readonly size?: number;
  readonly detail?: string;
  /** Whether the manifest or blob itself changed, and not only its tags. */
  readonly whole: boolean;
}

/** Records a change in its transaction, and queues it for webhooks. */
export async function recordWrite(
  trx: Knex.Transaction,
  by: Actor | undefined,
  { action, detail, repository, digest, tags = [], mediaType, size, whole }: Write,
  hooks: RepositoryPolicy['hooks'] = [],
): Promise<void> {
  if (by === undefined) return;
  const at = new Date();
  const entry: AuditEntry = {
    at,
    ...(by.name !== undefined && { who: by.name }),
    ...(by.address !== undefined && { address: by.address }),
    action,
    outcome: 'done',
    repository,
    digest,
    ...(mediaType !== undefined && { mediaType }),
    ...(size !== undefined && { size }),
    ...(detail !== undefined && { detail }),
    count: 1,
  };
  const tagged = tags.map((tag) => ({ ...entry, tag }));
  const entries = whole && (action === 'delete' || tags.length === 0) ? [entry, ...tagged] : tagged;
  for (const batch of batches(entries, BATCH)) await insertEntries(trx, batch);
  const wanted = hooks.filter(({ events }) => events.includes(action));
  if (wanted.length === 0) return;
  await queueEvents(trx, wanted, entries.map(toldOf));
}

/** Puts events into the queues of webhooks. */
export async function queueEvents(
  trx: Knex.Transaction,
  hooks: readonly { readonly id: number }[],
  events: readonly ToldEvent[],
): Promise<void> {
  const rows = hooks.flatMap(({ id }) =>
    events.map((event) => ({
      webhook_id: id,
      repository: event.repository,
      event: JSON.stringify(event),
      created_at: Date.now(),
    })),
  );
  for (const batch of batches(rows, BATCH)) await trx('webhook_events').insert([...batch]);
}

function toldOf({
  at,
  who,
  action,
  repository = '',
  digest,
  tag,
  mediaType,
  size,
  count,
}: AuditEntry): ToldEvent {
  return {
    id: randomUUID(),
    action: action as ToldEvent['action'],
    repository,
    at: at.toISOString(),
    ...(who !== undefined && { who }),
    ...(digest !== undefined && { digest }),
    ...(tag !== undefined && { tag }),
    ...(mediaType !== undefined && { mediaType }),
    ...(size !== undefined && { size }),
    count,
  };
}
