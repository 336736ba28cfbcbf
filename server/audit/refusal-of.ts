import { nameOf } from '../../auth/access/access.ts';
import { isRepositoryName } from '../../oci/reference.ts';
import { TOKEN_PATH } from '../challenges.ts';
import { shorten } from '../log.ts';
import type { RequestContext } from '../request-context.ts';
import type { Refusal } from './refusals.ts';

/** Maximum characters of a path, and of a detail: anybody can cause these lines, and they are kept like all others. */
const LONGEST_PATH = 150;
const LONGEST_DETAIL = 400;

const REPOSITORY_PATH = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)(?:\/|$)/;

/**
 * Returns the audit entry of a request that is refused with 401 or 403; undefined for the request with which a client
 * discovers how to log in.
 */
export function refusalOf(
  ctx: Pick<RequestContext, 'method' | 'path' | 'req' | 'state'>,
  status: 401 | 403,
  message: string,
): Refusal | undefined {
  const { identity, origin, pathPrefix, triedName } = ctx.state;
  const path = ctx.path.slice(pathPrefix.length);
  if (/^\/v2\/?$/.test(path) && ctx.req.headers.authorization === undefined) return undefined;
  const name = nameOf(identity);
  const repository = REPOSITORY_PATH.exec(path)?.[1];
  const known = repository !== undefined && isRepositoryName(repository);
  const tried =
    name === undefined && triedName ? ` (tried as ${JSON.stringify(triedName.slice(0, 64))})` : '';
  const manages = path.startsWith('/api/');
  return {
    ...(name !== undefined && { who: name }),
    ...(origin.remote !== undefined && { address: origin.remote }),
    action:
      path === TOKEN_PATH || path.startsWith('/auth/') ? 'login' : manages ? 'manage' : actionOf(ctx.method),
    outcome: status === 401 ? 'unauthorized' : 'denied',
    ...(known && { repository }),
    detail: shorten(
      `${manages ? `${ctx.method} ${shorten(path, LONGEST_PATH)}: ` : ''}${message}${tried}`,
      LONGEST_DETAIL,
    ),
  };
}

function actionOf(method: string): Refusal['action'] {
  if (method === 'DELETE') return 'delete';
  return method === 'GET' || method === 'HEAD' ? 'pull' : 'push';
}
