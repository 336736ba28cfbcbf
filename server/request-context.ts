import type { RouterContext } from '@koa/router';
import type { Identity } from '../auth/access/identity.ts';

/** What the middleware of app.ts knows about a request by the time a route handles it. */
export interface RequestState {
  identity: Identity;
  /** Aborts when the client has gone. */
  signal: AbortSignal;
}

export type RequestContext = RouterContext<RequestState>;
