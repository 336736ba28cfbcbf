import { EngineError } from '../errors.ts';
import type { RegistryCredentials } from '../images/images.ts';
import { authorize } from './authorize.ts';
import { parseChallenges } from './challenge.ts';
import type { HttpExchange } from './http-exchange.ts';
import { readBody } from './read-body.ts';
import { registryAddress } from './registry-address.ts';
import { connectionFailure, readErrorBody, refusal } from './registry-error.ts';

const MAX_BODY = 64 << 10;

/**
 * Whether a registry takes these credentials, by `GET /v2/` (distribution-spec, "Determining Support"): what `docker
 * login` asks. `server` is `host`, `host:port`, or a URL of one; '' is Docker Hub. Throws EngineError 'unauthorized' or
 * 'registry'.
 */
export async function checkLogin(
  exchange: HttpExchange,
  insecureRegistries: readonly string[],
  request: {
    readonly server: string;
    readonly credentials: RegistryCredentials;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { credentials, signal } = request;
  const registry = registryName(request.server);
  const { host, schemes, verifyCertificate } = registryAddress(registry, insecureRegistries);
  let failure: EngineError | undefined;
  for (const scheme of schemes) {
    const url = new URL(`${scheme}://${host}/v2/`);
    const send = (headers: Readonly<Record<string, string>>) =>
      exchange.send({ method: 'GET', url, headers, verifyCertificate, signal });
    const attempt = await send({}).catch((error: unknown) => {
      if (signal.aborted) throw error;
      // The first scheme's reason is the better one.
      failure ??= connectionFailure(error, { method: 'GET', url });
    });
    if (attempt === undefined) continue;
    const challenges = parseChallenges(attempt.headers['www-authenticate'] ?? '');
    await readBody(attempt, MAX_BODY, signal).catch(() => undefined);
    if (attempt.status === 200) return;
    const { header } = await authorize(exchange, {
      challenges,
      credentials,
      scope: '',
      url,
      method: 'GET',
      verifyCertificate,
      signal,
    });
    const response = await send({ authorization: header });
    const body = (await readBody(response, MAX_BODY, signal))?.toString('utf8') ?? '';
    if (response.status === 200) return;
    throw refusal(response.status, readErrorBody(response.status, body), {
      method: 'GET',
      url,
      name: registry,
      reference: registry,
    });
  }
  throw failure ?? new EngineError('registry', `${registry} cannot be reached`);
}

/** The CLI sends Docker Hub's old address for it, and what the user typed for others. */
function registryName(server: string): string {
  const host = server.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  if (host === '' || host === 'index.docker.io' || host === 'docker.io') return 'docker.io';
  if (!/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?$/.test(host)) {
    throw new EngineError('bad-request', `"${server.slice(0, 200)}" is not the address of a registry`);
  }
  return host;
}
