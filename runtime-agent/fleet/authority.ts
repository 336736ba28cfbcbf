import { createHash, X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { ProxySettings } from '../../lib/http/proxies/proxy-settings.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';

const PATIENCE = 30_000;
/** Certificates of a chain that are looked at. */
const LONGEST_CHAIN = 10;

/**
 * Fetches the certificate whose hash a join token carries, out of the chain that the registry sends. Nothing is sent to the
 * registry; whether its certificate is one of that authority is checked by each later connection. Answers PEM. Throws
 * ConfigError when the chain has no such certificate: the token is of another registry, or somebody is in between.
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
    `the certificate of ${url.origin} is not of the authority that the join token names: check the address, and that nobody answers in the registry's place.`,
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
