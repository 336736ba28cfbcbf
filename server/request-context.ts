import type { Router, RouterContext } from '@koa/router';
import type { Identity } from '../auth/access/access.ts';
import type { ChallengeKind } from '../auth/challenge.ts';
import type { BodyMemory } from './body-memory.ts';
import type { RequestOrigin } from './http/forwarded.ts';

/** The account that is logged in with a browser. */
export interface BrowserSession {
  readonly secret: string;
  readonly name: string;
  readonly identity: Identity;
}

/** The parts of this server that pages may link to. */
export interface BrowserOffers {
  /** Pages about repositories and accounts. */
  readonly pages: boolean;
  /** Logins of people. */
  readonly logins: boolean;
  /** Apps and hosts. */
  readonly fleet: boolean;
}

/** The state of a request that middleware.ts sets before a route handles it. */
export interface RequestState {
  /** The challenge that requests credentials from its client. */
  challenge: ChallengeKind;
  identity: Identity;
  /** The session of the browser, once it was looked up. */
  session?: BrowserSession | undefined;
  /** The parts available to a browser; absent for other clients. */
  offers?: BrowserOffers;
  /** ID of an event such that a page created now misses nothing after it. */
  eventsAfter?: string;
  /** The secret of forms without a session, once the answer sets its cookie. */
  formSecret?: string;
  /** The user name of a login attempt, which may fail. */
  triedName?: string | undefined;
  /** Its client's address, host and protocol, as far as proxies are trusted. */
  origin: RequestOrigin;
  /** The memory budget of bodies that are read whole. */
  bodies: BodyMemory;
  /** The prefix of `/v2/` in every path; '' for none. */
  pathPrefix: string;
  /** Aborts when the client has disconnected. */
  signal: AbortSignal;
  /** The fields of a change by the management API, without secrets. */
  asked?: Readonly<Record<string, unknown>>;
  /** Bytes of the answer that bypassed Node's socket, which does not count them. */
  sentPastNode: number;
  /** Bytes of the request that bypassed it. */
  receivedPastNode: number;
}

export type RequestContext = RouterContext<RequestState>;

/** A router whose routes run behind that middleware. */
export type RequestRouter = Router<RequestState>;
