import { createHash, X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { ProxySettings } from '../../lib/http/proxies/proxy-settings.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';

const PATIENCE = 30_000;
/** Maximum certificates of a chain that are checked. */
const LONGEST_CHAIN = 10;

/**
 * Finds the certificate with the hash of a join token in the registry's chain. Sends nothing to the registry; each
 * later connection verifies its certificate against this authority. Returns PEM. Throws ConfigError when the chain has
 * no such certificate: the token is for another registry, or there is a man in the middle.
 */
export async function fetchAuthority(
  url: URL,
  hash: Buffer,
  proxies: ProxySettings | undefined,
  signal: AbortSignal,
): Promise<string> {
  const socket = await connect(url, proxies, signal);
  try {
    const found = chainOf(socket.getPeerCertificate(true)).find(({ raw }) =>
      createHash('sha256').update(raw).digest().equals(hash),
    );
    if (found !== undefined) return new X509Certificate(found.raw).toString();
  } finally {
    socket.destroy();
  }
  throw new ConfigError(
    `the certificate of ${url.origin} is not from the authority in the join token: check the address, and that no other server answers in the registry's place.`,
  );
}

function chainOf(certificate: DetailedPeerCertificate): readonly DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  for (
    let next: DetailedPeerCertificate | undefined = certificate;
    next?.raw !== undefined && !chain.includes(next) && chain.length < LONGEST_CHAIN;
    next = next.issuerCertificate
  ) {
    chain.push(next);
  }
  return chain;
}

async function connect(
  url: URL,
  proxies: ProxySettings | undefined,
  signal: AbortSignal,
): Promise<TLSSocket> {
  if (url.protocol !== 'https:') {
    throw new ConfigError(
      'the join token names a certificate authority: use the https address of the registry.',
    );
  }
  const { request, Agent } = process.getBuiltinModule('node:https');
  const options = { rejectUnauthorized: false, timeout: PATIENCE };
  const { chooseProxy } = await import('../../lib/http/proxies/choose-proxy.ts');
  const proxy = chooseProxy(proxies)(url);
  const secureContext = process.getBuiltinModule('node:tls').createSecureContext();
  const agent =
    proxy === undefined
      ? new Agent(options)
      : (await import('../../lib/http/proxies/tunnel-agent.ts')).tunnelAgent(options, {
          proxy,
          secureContext,
          timeout: PATIENCE,
        });
  return await new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'HEAD', agent, signal, ...options });
    outgoing.once('socket', (socket) => socket.once('secureConnect', () => resolve(socket as TLSSocket)));
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer')));
    outgoing.once('error', (cause) => {
      reject(
        signal.aborted
          ? cause
          : new ConfigError(`${url.origin} cannot be reached: ${cause.message}`, { cause }),
      );
    });
  });
}
