import type { Router, RouterContext } from '@koa/router';
import type { Identity } from '../auth/access/identity.ts';
import type { ChallengeKind } from '../auth/challenge.ts';
import type { BodyMemory } from './body-memory.ts';
import type { RequestOrigin } from './http/forwarded.ts';

/** What the middleware of app.ts knows about a request by the time a route handles it. */
export interface RequestState {
  /** How its client is asked for credentials. */
  challenge: ChallengeKind;
  identity: Identity;
  /** The name that a login is tried with: not who asks, unless it succeeds. */
  triedName?: string | undefined;
  /** Where it came from, as far as that can be believed. */
  origin: RequestOrigin;
  /** The memory of bodies that are read whole. */
  bodies: BodyMemory;
  /** Before `/v2/` in every path; '' for none. */
  pathPrefix: string;
  /** Aborts when the client has gone. */
  signal: AbortSignal;
  /** What a change by the management API asked for, without secrets. */
  asked?: Readonly<Record<string, unknown>>;
  /** Bytes of the answer that went out past Node's socket, which does not count them. */
  sentPastNode: number;
  /** Bytes of the request that came in so. */
  receivedPastNode: number;
}

export type RequestContext = RouterContext<RequestState>;

/** A router whose routes run behind that middleware. */
export type RequestRouter = Router<RequestState>;
