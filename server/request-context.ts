import type { RouterContext } from '@koa/router';
import type { Identity } from '../auth/access/identity.ts';

/** What the middleware of app.ts knows about a request by the time a route handles it. */
export interface RequestState {
  identity: Identity;
  /** Aborts when the client has gone. */
  signal: AbortSignal;
  /** Bytes of the answer that went out past Node's socket, which does not count them. */
  sentPastNode: number;
}

export type RequestContext = RouterContext<RequestState>;
