import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CatalogVersion } from '../storage/catalog/catalog-version.ts';
import { isAboutHealth } from './health/answer-health.ts';

type Handle = (req: IncomingMessage, res: ServerResponse) => void;

export interface RequestHandlers {
  /** Answers false, with nothing done, when it cannot. */
  readonly fromCache: (req: IncomingMessage, res: ServerResponse) => boolean;
  readonly byRoutes: Handle;
  readonly version: CatalogVersion;
  /** Told of a request that the long way has to refuse, and why: the catalog cannot be asked. */
  readonly onUnavailable: (req: IncomingMessage, cause: unknown) => void;
}

/**
 * Sends each request the quick way, and where that does not lead to an answer the long way. Where the version of
 * the catalog is not known at any moment it is asked for after the request has come: what is kept in memory and
 * used for an answer is never older than its request, whichever replica gives it.
 */
export function createRequestHandler({
  fromCache,
  byRoutes,
  version,
  onUnavailable,
}: RequestHandlers): Handle {
  const answer: Handle = (req, res) => {
    if (!fromCache(req, res)) byRoutes(req, res);
  };
  if (version.refresh === undefined) return answer;
  return (req, res) => {
    // Whether the process answers has nothing to do with the database.
    if (isAboutHealth(req)) {
      byRoutes(req, res);
      return;
    }
    version.refresh?.().then(
      () => answer(req, res),
      (cause: unknown) => {
        onUnavailable(req, cause);
        byRoutes(req, res);
      },
    );
  };
}
