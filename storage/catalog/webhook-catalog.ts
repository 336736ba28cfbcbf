import type { AuditEntry } from './audit-catalog.ts';

export const WEBHOOK_EVENTS = ['push', 'delete', 'mount', 'pull', 'rollout'] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** A receiver of events in the repositories of a pattern. */
export interface Webhook {
  readonly name: string;
  readonly url: string;
  readonly events: readonly WebhookEvent[];
  /** A pattern in which `*` stands for any characters. */
  readonly pattern: string;
}

export interface NewWebhook extends Webhook {
  /** The key that signs its events. */
  readonly secret: string;
}

export interface KeptWebhook extends NewWebhook {
  readonly id: number;
}

/** A webhook and its current state. */
export interface WebhookState extends Webhook {
  /** Number of pending events. */
  readonly waiting: number;
  /** Number of events that were dropped, because they had waited too long or were too many. */
  readonly dropped: number;
  readonly deliveredAt?: Date;
  /** Time of the last failure, if it is later than the last success. */
  readonly failedAt?: Date;
  readonly failure?: string;
}

/** An event for a webhook; `id` is the same in every attempt. */
export interface ToldEvent extends Pick<AuditEntry, 'who' | 'digest' | 'tag' | 'mediaType' | 'size'> {
  readonly id: string;
  readonly action: WebhookEvent | 'test';
  readonly repository: string;
  /** RFC 3339. */
  readonly at: string;
  /** For `rollout`: the number of the release, how it ended, and why it failed. */
  readonly release?: number;
  readonly state?: string;
  readonly reason?: string;
  /** Number of similar events: pulls are sampled. */
  readonly count: number;
}

/** The outcome of an event after all its attempts. */
export interface WebhookDelivery extends Pick<ToldEvent, 'action' | 'repository' | 'tag'> {
  readonly attempts: number;
  /** Time of the last attempt. */
  readonly triedAt: Date;
  /** Why the last attempt failed; undefined if it was delivered. */
  readonly failure?: string;
}

/** An event that waits for delivery. */
export interface WaitingEvent {
  /** Its position in the queue. */
  readonly id: string;
  readonly event: ToldEvent;
}

export interface QueueLimits {
  readonly events: number;
  readonly since: Date;
}

/**
 * Webhooks, and their queues of events. The transaction of a write also queues its events for the webhooks that match
 * at that time.
 */
export interface WebhookCatalog {
  list(): Promise<readonly WebhookState[]>;
  /** Creates a webhook. Returns false, and changes nothing, when the name is taken. */
  create(webhook: NewWebhook): Promise<boolean>;
  /** Removes a webhook with its queue. Returns whether it existed. */
  remove(name: string): Promise<boolean>;
  find(name: string): Promise<KeptWebhook | undefined>;
  all(): Promise<readonly KeptWebhook[]>;
  /** Queues events that change nothing in the catalog, for the webhooks that match; a power cut may lose them. */
  tell(events: readonly ToldEvent[]): Promise<void>;
  /** Returns at most `limit` events of the queue, in order, omitting some repositories. */
  waiting(id: number, without: readonly string[], limit: number): Promise<readonly WaitingEvent[]>;
  /** Returns the webhooks with pending events. */
  pending(): Promise<ReadonlySet<number>>;
  /** Removes a delivered event from the queue; a power cut may bring it back. */
  told(id: number, event: WaitingEvent): Promise<void>;
  /** Records a failed attempt; 500 characters of the reason are kept. */
  failed(id: number, event: WaitingEvent, failure: string): Promise<void>;
  /** Returns the latest 50 attempted events, newest first. Undefined when there is no webhook with this name. */
  deliveries(name: string): Promise<readonly WebhookDelivery[] | undefined>;
  /** Drops some of the oldest events beyond the limits. Returns their number; 0 when the queue is within them. */
  trim(id: number, limits: QueueLimits): Promise<number>;
}
