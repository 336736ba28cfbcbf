import type { Host, HostFacts, HostState, ReportedHost } from './host.ts';
import type { AppReport } from './report.ts';
import type { AppTarget, HostTarget } from './target.ts';

/** A join token: single use. */
export interface JoinToken {
  /** Public id, for lists and the audit. */
  readonly id: string;
  readonly secretHash: string;
  /** Labels that the host gets regardless of its own. */
  readonly labels: Readonly<Record<string, string>>;
  readonly expiresAt: Date;
  readonly createdBy: string;
}

export interface NewHost {
  readonly id: string;
  readonly name: string;
  readonly publicKey: string;
  readonly recipient: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly facts: HostFacts;
}

/**
 * Hosts and their latest reports. A host exists from its join until it is removed:
 *
 *     await hosts.createToken(token);                     // berth host token
 *     const host = await hosts.join(hash, machine, now);  // berth-agent join: the token is used up
 *     await hosts.connect(host.id, 'replica-1/7', facts, now);
 *     await hosts.report(host.id, reports, []);
 *     await hosts.disconnect(host.id, 'replica-1/7', now);
 *     await hosts.remove(host.id);                        // its key is no longer accepted
 *
 * Each method is one transaction. Every implementation passes test/contract/host-store.ts.
 */
export interface HostStore {
  /** Throws HostError 'too-many-tokens'. Deletes tokens that expired more than a day ago. */
  createToken(token: JoinToken): Promise<void>;
  /**
   * Uses up the token and creates the host, with the labels of both. Throws HostError 'token-unknown', 'token-used',
   * 'token-expired', 'name-taken', 'too-many-hosts', and nothing changes.
   */
  join(secretHash: string, host: NewHost, now: Date): Promise<Host>;
  /** Lists hosts by name; with `apps`, only the reports about these apps. */
  list(apps?: readonly string[]): Promise<readonly ReportedHost[]>;
  /** Finds a host by name or ID. */
  find(host: string): Promise<ReportedHost | undefined>;
  /** Changes the given fields. Throws HostError 'unknown', 'name-taken'. */
  update(host: string, change: Partial<Pick<Host, 'name' | 'labels' | 'draining'>>): Promise<Host>;
  /** Removes a host with its target and reports. Returns false, and changes nothing, when there is no such host. */
  remove(id: string): Promise<boolean>;
  /**
   * Records a connection, which replaces the previous one. Returns the previous one if its end was not recorded: its
   * replica died, or has not noticed yet, or another machine has this host's key. Returns undefined, and records
   * nothing, when the host was removed.
   */
  connect(
    id: string,
    connection: string,
    facts: HostFacts,
    now: Date,
  ): Promise<{ readonly replaced?: string } | undefined>;
  /** Does nothing when another connection has replaced it. */
  disconnect(id: string, connection: string, now: Date): Promise<void>;
  /**
   * Records that hosts were heard, by the connection of each. Returns the hosts that were removed or have a newer
   * connection. A power cut may undo it.
   */
  heard(connections: ReadonlyMap<string, string>, now: Date): Promise<readonly string[]>;
  /**
   * Records that a host polled its target by a plain request. A host without a connection counts as connected until
   * SILENCE has passed. A power cut may undo it.
   */
  polled(id: string, now: Date): Promise<void>;
  /** The fields that determine the state of each host. */
  presence(): Promise<readonly Pick<Host, 'connected' | 'draining' | 'id' | 'name' | 'seenAt'>[]>;
  /** Counts the hosts in each state. */
  countStates(now: Date): Promise<Readonly<Record<HostState, number>>>;
  /**
   * Replaces the reports of these apps, and removes those of `gone`. Ignores apps that are not in the host's target,
   * unless they were before and the host has not reported their removal. A power cut may undo it.
   */
  report(id: string, reports: readonly AppReport[], gone: readonly string[], now: Date): Promise<void>;

  /** Returns the target of a host; generation 0 and no apps at first. */
  target(id: string): Promise<HostTarget>;
  /** Returns the targets of one app, by host; hosts that do not run it are omitted. */
  appTargets(app: string, hosts: readonly string[]): Promise<ReadonlyMap<string, AppTarget>>;
  /** Returns the target generations that are higher than in `known`, by host. Hosts that `known` lacks are omitted. */
  newerTargets(known: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>>;
  /**
   * Sets and removes apps in the targets of several hosts at once; each host gets the next generation. Returns false,
   * and changes nothing, when the rollout `of` an app has another revision by now, or the app was removed.
   */
  setTargets(
    changes: readonly TargetChange[],
    of?: { readonly app: string; readonly revision: number },
  ): Promise<boolean>;
}

export interface TargetChange {
  readonly host: string;
  readonly set: readonly AppTarget[];
  readonly remove: readonly string[];
}

export const HOST_ERRORS = [
  'unknown',
  'name-taken',
  'token-unknown',
  'token-used',
  'token-expired',
  'too-many-hosts',
  'too-many-tokens',
] as const;

/** A HostStore refuses a request. */
export class HostError extends Error {
  override readonly name = 'HostError';
  readonly code: (typeof HOST_ERRORS)[number];

  constructor(code: (typeof HOST_ERRORS)[number], message: string) {
    super(message);
    this.code = code;
  }
}
