import type { Host } from '../../fleet/host.ts';

/** Connection value of a host that polls its target instead of connecting. */
export const POLLING = 'polling';

export interface HostRow {
  readonly id: string;
  readonly name: string;
  readonly public_key: string;
  readonly recipient: string;
  readonly labels: string;
  readonly facts: string;
  readonly draining: boolean | number;
  readonly joined_at: number | string;
  readonly seen_at: number | string | null;
  readonly connection: string | null;
}

export function hostOf(row: HostRow): Host {
  return {
    id: row.id,
    name: row.name,
    labels: JSON.parse(row.labels),
    draining: Boolean(row.draining),
    publicKey: row.public_key,
    recipient: row.recipient,
    joinedAt: new Date(Number(row.joined_at)),
    facts: JSON.parse(row.facts),
    ...connectionOf(row),
  };
}

export function connectionOf({ connection, seen_at }: Pick<HostRow, 'connection' | 'seen_at'>) {
  return {
    ...(seen_at !== null && { seenAt: new Date(Number(seen_at)) }),
    connected: connection !== null,
    ...(connection !== null && connection !== POLLING && { connection }),
  };
}
