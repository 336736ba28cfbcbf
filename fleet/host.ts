import type { AppReport } from './report.ts';

/** Milliseconds of silence after which the state of a host is unknown. */
export const SILENCE = 90_000;

/** Hosts that a fleet may have. */
export const MAX_HOSTS = 5_000;

/** What a host may be asked for beyond ordinary instances, as its `--allow` says. */
export const ALLOWANCES = ['privileged', 'host-network', 'host-pid', 'bind', 'device'] as const;
export type Allowance = (typeof ALLOWANCES)[number];

/** A machine whose agent has joined. */
export interface Host {
  /** Made at the join; it never changes, and is not used again. */
  readonly id: string;
  /** Unique; changed by `berth host rename`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** True: no new instances are placed here, and those that may move have moved. */
  readonly draining: boolean;
  /** Ed25519, as a JWK thumbprint is made of it: base64url of 32 bytes. */
  readonly publicKey: string;
  /** `age1…`: secrets are sealed for it. */
  readonly recipient: string;
  readonly joinedAt: Date;
  readonly facts: HostFacts;
  /** When it was last heard of; undefined: never. */
  readonly seenAt?: Date;
  readonly connected: boolean;
  /** The name of its connection: that of its replica of the registry, a slash and a number. Undefined without one. */
  readonly connection?: string;
}

/** What a host says about itself. */
export interface HostFacts {
  readonly version: string;
  readonly operatingSystem: string;
  /** As platforms of images have it: `linux/amd64`. */
  readonly platform: string;
  readonly processors: number;
  /** Bytes. */
  readonly memory: number;
  readonly allows: readonly Allowance[];
  /** True when its ingress listens. */
  readonly ingress: boolean;
}

/**
 * `online`: connected. `offline`: its connection ended less than SILENCE ago. `unknown`: nothing was heard of it for
 * SILENCE, also when its replica of the registry died and could not record the end of its connection. `draining` instead
 * of `online` while it drains.
 */
export const HOST_STATES = ['online', 'offline', 'unknown', 'draining'] as const;
export type HostState = (typeof HOST_STATES)[number];

/** Returns the state of a host at `now`, ms since 1970. */
export function hostState(host: Pick<Host, 'connected' | 'draining' | 'seenAt'>, now: number): HostState {
  if (host.seenAt === undefined || now - host.seenAt.getTime() >= SILENCE) return 'unknown';
  if (!host.connected) return 'offline';
  return host.draining ? 'draining' : 'online';
}

/** A host and what it last said about its apps. */
export interface ReportedHost extends Host {
  readonly reports: readonly AppReport[];
}
