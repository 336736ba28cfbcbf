import type { AppReport } from './report.ts';

/** Milliseconds of silence after which the state of a host is unknown. */
export const SILENCE = 90_000;

/** Maximum hosts of a fleet. */
export const MAX_HOSTS = 5_000;

/** Privileges beyond ordinary instances that a host may allow with `--allow`. */
export const ALLOWANCES = ['privileged', 'host-network', 'host-pid', 'bind', 'device'] as const;
export type Allowance = (typeof ALLOWANCES)[number];

/** A machine whose agent has joined the fleet. */
export interface Host {
  /** Assigned at the join; never changed or reused. */
  readonly id: string;
  /** Unique; changed by `berth host rename`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Whether it gets no new instances, and all movable instances move away. */
  readonly draining: boolean;
  /** Ed25519 key, in the form of a JWK thumbprint: base64url of 32 bytes. */
  readonly publicKey: string;
  /** `age1…`: the recipient to which its secrets are encrypted. */
  readonly recipient: string;
  readonly joinedAt: Date;
  readonly facts: HostFacts;
  /** Time of the last contact; undefined if there was none. */
  readonly seenAt?: Date;
  readonly connected: boolean;
  /** Its connection: the name of a registry replica, a slash and a number. Undefined without one. */
  readonly connection?: string;
}

/** A host's description of itself. */
export interface HostFacts {
  readonly version: string;
  readonly operatingSystem: string;
  /** In the form of image platforms: `linux/amd64`. */
  readonly platform: string;
  readonly processors: number;
  /** Bytes. */
  readonly memory: number;
  readonly allows: readonly Allowance[];
  /** True if its ingress listens. */
  readonly ingress: boolean;
}

/**
 * `online`: connected. `offline`: its connection ended less than SILENCE ago. `unknown`: no contact for SILENCE, also
 * when its registry replica died before it could record the end of the connection. `draining`: online, and draining.
 */
export const HOST_STATES = ['online', 'offline', 'unknown', 'draining'] as const;
export type HostState = (typeof HOST_STATES)[number];

/** Returns the state of a host at `now`, ms since 1970. */
export function hostState(host: Pick<Host, 'connected' | 'draining' | 'seenAt'>, now: number): HostState {
  if (host.seenAt === undefined || now - host.seenAt.getTime() >= SILENCE) return 'unknown';
  if (!host.connected) return 'offline';
  return host.draining ? 'draining' : 'online';
}

/** A host and its latest reports about its apps. */
export interface ReportedHost extends Host {
  readonly reports: readonly AppReport[];
}
