import { type ManageScope, NO_RIGHTS, type Rights } from './rights.ts';

/** Who makes a request and what they may do, once the credentials have been verified. */
export type Identity =
  | (Holding & { readonly kind: 'anonymous' })
  | (Holding & { readonly kind: NamedKind; readonly name: string; readonly proof: Proof });

interface Holding {
  readonly rights: Rights;
  /** When this ends by itself, in milliseconds since 1970; undefined when it does not. */
  readonly until?: number;
}

/** A person, a robot account, a job that another system vouches for, or a host of the fleet, named `host:NAME`. */
export type NamedKind = 'user' | 'robot' | 'job' | 'host';

/** What somebody has shown to be who they are. */
export type Proof =
  | { readonly kind: 'password' }
  /** The id of a personal token or of a robot's secret; `manages` lists the parts of the management API that it may use. */
  | { readonly kind: 'credential'; readonly id: string; readonly manages: readonly ManageScope[] }
  /** The login that docker keeps after a password. */
  | { readonly kind: 'login' }
  /** A token of the token server, which says itself what its bearer may do. */
  | { readonly kind: 'bearer' }
  /** The word of an identity provider. */
  | { readonly kind: 'provider' };

/** Somebody who gave no credentials, where nothing is public. */
export const ANONYMOUS: Identity = Object.freeze({ kind: 'anonymous', rights: NO_RIGHTS });

/** The name for logs; undefined when nobody was named. */
export function nameOf(identity: Identity): string | undefined {
  return identity.kind === 'anonymous' ? undefined : identity.name;
}

/** Whether an identity that was found out before still holds at a time, in milliseconds since 1970. */
export function holdsAt({ until }: Identity, now: number): boolean {
  return until === undefined || now < until;
}
