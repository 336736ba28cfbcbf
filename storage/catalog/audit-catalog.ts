import type { Digest } from '../../oci/digest.ts';

/** `manage` is a change of accounts and rules, `login` an attempt to get a token. */
export const AUDIT_ACTIONS = ['push', 'mount', 'delete', 'pull', 'manage', 'login'] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** `denied`: the client lacked the right (403). `unauthorized`: the client was not authenticated (401). */
export const AUDIT_OUTCOMES = ['done', 'denied', 'unauthorized'] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** The detail of a push that restored a deleted tag. */
export const RESTORED = 'restored';
/** Start of the detail of a garbage collection. */
export const COLLECTED = 'garbage collection ';

/** An action, or an attempted one. */
export interface AuditEntry {
  readonly at: Date;
  readonly who?: string;
  /** Address of the client. */
  readonly address?: string;
  readonly action: AuditAction;
  readonly outcome: AuditOutcome;
  readonly repository?: string;
  readonly digest?: Digest;
  readonly tag?: string;
  /** Media type of a manifest; absent for blobs. */
  readonly mediaType?: string;
  /** Size in bytes. */
  readonly size?: number;
  /** A sentence; for `manage` the request. */
  readonly detail?: string;
  /** Number of similar events: refusals are combined. */
  readonly count: number;
}

export interface AuditEvent extends AuditEntry {
  /** Grows with time. */
  readonly id: string;
}

/** Selects events; all conditions must hold. */
export interface AuditFilter {
  readonly action?: AuditAction;
  readonly outcome?: AuditOutcome;
  /** `*` stands for any characters. */
  readonly repository?: string;
  readonly who?: string;
  /** This moment and later. */
  readonly since?: Date;
  /** Earlier than this moment. */
  readonly until?: Date;
}

export interface AuditPage extends AuditFilter {
  readonly limit: number;
  /** The id of the previous event. */
  readonly after?: string;
}

/** The same in descending order, from the latest on. */
export interface LatestAudit extends AuditFilter {
  readonly limit: number;
  /** The id of the next event. */
  readonly before?: string;
}

/** The events found in one part of the record. */
export interface AuditWindow {
  readonly events: readonly AuditEvent[];
  /** The id up to which the record was read; absent at its end. */
  readonly lookedUpTo?: string;
}

/**
 * Records actions and their actors. A write of the distribution API is recorded in its own transaction. The record may
 * have millions of events, and a filter may match none: reading it yields to other work.
 */
export interface AuditCatalog {
  /** Records actions that change nothing in the catalog, such as refusals. */
  record(entries: readonly AuditEntry[]): Promise<void>;
  /** Lists events in the order of their ids; a reader that continues after the last one of a page misses none. */
  list(page: AuditPage, signal?: AbortSignal): Promise<readonly AuditEvent[]>;
  /** Lists events, latest first. */
  latest(page: LatestAudit, signal?: AbortSignal): Promise<readonly AuditEvent[]>;
  /** Like `list`, but reads only the next events of the record, whether they match or not. */
  window(page: AuditPage): Promise<AuditWindow>;
  /** Deletes some events before a time, oldest first; returns their number, 0 when there are no more. */
  prune(before: Date): Promise<number>;
}
