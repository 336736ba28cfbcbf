import type { Host, HostFacts, HostState, ReportedHost } from './host.ts';
import type { AppReport } from './report.ts';
import type { AppTarget, HostTarget } from './target.ts';

/** A join token: single use. */
export interface JoinToken {
  /** Public part, for lists and the audit. */
  readonly id: string;
  readonly secretHash: string;
  /** Labels that the host gets whatever it says about itself. */
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
 * Hosts and what they last said. A host lives from its join until it is removed:
 *
 *     await hosts.createToken(token);                     // berth host token
 *     const host = await hosts.join(hash, machine, now);  // berth-agent join: the token is used up
 *     await hosts.connect(host.id, 'replica-1/7', facts, now);
 *     await hosts.report(host.id, reports, []);
 *     await hosts.disconnect(host.id, 'replica-1/7', now);
 *     await hosts.remove(host.id);                        // its key proves nothing any more
 *
 * Each method is one transaction. Every implementation passes test/contract/host-store.ts.
 */
export interface HostStore {
  /** Throws HostError 'too-many-tokens'. Tokens that expired more than a day ago are forgotten. */
  createToken(token: JoinToken): Promise<void>;
  /**
   * Uses up the token and makes the host, with the labels of both. Throws HostError 'token-unknown', 'token-used',
   * 'token-expired', 'name-taken', 'too-many-hosts', and nothing changes.
   */
  join(secretHash: string, host: NewHost, now: Date): Promise<Host>;
  /** By name; with the reports about `apps` alone if they are given. */
  list(apps?: readonly string[]): Promise<readonly ReportedHost[]>;
  /** By name or ID. */
  find(host: string): Promise<ReportedHost | undefined>;
  /** Changes what is given. Throws HostError 'unknown', 'name-taken'. */
  update(host: string, change: Partial<Pick<Host, 'name' | 'labels' | 'draining'>>): Promise<Host>;
  /** Answers false, and nothing changed, when there is no such host. Its target and reports go with it. */
  remove(id: string): Promise<boolean>;
  /**
   * Records a connection, which takes the place of the one before. Answers that one when it was not recorded that it
   * ended: its replica died, or has yet to notice, or another machine has this host's key. Undefined when the host was
   * removed; then nothing is recorded.
   */
  connect(
    id: string,
    connection: string,
    facts: HostFacts,
    now: Date,
  ): Promise<{ readonly replaced?: string } | undefined>;
  /** Does nothing when another connection has taken over. */
  disconnect(id: string, connection: string, now: Date): Promise<void>;
  /**
   * Records that hosts were heard of, by the connection of each. Answers those of which it is no longer the newest, or
   * that were removed. A power cut may undo it.
   */
  heard(connections: ReadonlyMap<string, string>, now: Date): Promise<readonly string[]>;
  /**
   * Records that a host asked for its target by a plain request. A host without a connection counts as connected until
   * SILENCE has passed. A power cut may undo it.
   */
  polled(id: string, now: Date): Promise<void>;
  /** What the state of each host follows from. */
  presence(): Promise<readonly Pick<Host, 'connected' | 'draining' | 'id' | 'name' | 'seenAt'>[]>;
  /** How many hosts are in each state. */
  countStates(now: Date): Promise<Readonly<Record<HostState, number>>>;
  /**
   * Replaces the reports of these apps, and removes those of `gone`. Ignores apps that are not in the host's target, unless
   * they were and the host has not said that they are gone. A power cut may undo it.
   */
  report(id: string, reports: readonly AppReport[], gone: readonly string[], now: Date): Promise<void>;

  /** What the host shall run; generation 0 and no apps before anything was set. */
  target(id: string): Promise<HostTarget>;
  /** What these hosts shall run of one app, by host; it lacks those that run nothing of it. */
  appTargets(app: string, hosts: readonly string[]): Promise<ReadonlyMap<string, AppTarget>>;
  /** Returns the target generations that are higher than in `known`, by host. Hosts that `known` lacks are omitted. */
  newerTargets(known: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>>;
  /**
   * Sets and removes apps of the targets of several hosts at once; each host gets the next generation. Answers false, and
   * nothing changed, when the rollout `of` an app has another revision by now, or the app was removed.
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

/** A refusal of a HostStore. */
export class HostError extends Error {
  override readonly name = 'HostError';
  readonly code: (typeof HOST_ERRORS)[number];

  constructor(code: (typeof HOST_ERRORS)[number], message: string) {
    super(message);
    this.code = code;
  }
}
