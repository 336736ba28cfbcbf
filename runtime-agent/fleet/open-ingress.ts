import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { descriptorLimit } from '../../lib/linux/descriptor-limit.ts';
import { loadLibc } from '../../lib/linux/libc.ts';
import type { HttpExchange } from '../../oci/distribution/http-exchange.ts';
import type { AgentConfig } from '../config.ts';
import { AcmeAuthority } from './ingress/acme/acme-authority.ts';
import { HaproxyIngress } from './ingress/haproxy-ingress.ts';
import { RouteCertificates } from './ingress/route-certificates.ts';
import { IngressRoutes } from './ingress-routes.ts';
import type { InstanceRoutes } from './instance-routes.ts';

/** Maximum client connections, if the process may have enough descriptors: two for each, and some of its own. */
const MAX_CONNECTIONS = 20_000;
const OWN_DESCRIPTORS = 500;
const MAX_THREADS = 4;

/** The ingress of this host while the agent runs; the proxy outlives it. */
export interface OpenedIngress {
  readonly routes: InstanceRoutes;
  close(): Promise<void>;
}

export interface OpenIngressOptions {
  readonly config: NonNullable<AgentConfig['ingress']>;
  readonly runDirectory: string;
  readonly dataDirectory: string;
  readonly exchange: HttpExchange;
  readonly hostNamespace: number | undefined;
  readonly processors: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Starts the proxy, or adopts the one of an earlier agent. Throws IngressError when it cannot listen. */
export async function openIngress(options: OpenIngressOptions): Promise<OpenedIngress> {
  const { config, runDirectory, dataDirectory, exchange, hostNamespace, processors, log, signal } = options;
  const folder = join(dataDirectory, 'ingress', 'acme');
  const certificates = new RouteCertificates(
    config.acme === undefined
      ? undefined
      : new AcmeAuthority({ directory: config.acme, folder, exchange, log }),
  );
  const ingress = new HaproxyIngress({
    folder: join(runDirectory, 'ingress'),
    settings: {
      plain: config.plain,
      secure: config.secure,
      maxConnections: Math.min(MAX_CONNECTIONS, Math.max(100, (descriptorLimit() - OWN_DESCRIPTORS) >> 1)),
      threads: Math.min(processors, MAX_THREADS),
      user: 'haproxy',
      hasIPv6: await access('/proc/net/if_inet6').then(
        () => true,
        () => false,
      ),
    },
    certificates,
    ...(hostNamespace !== undefined && { hostNamespace }),
    searchPath: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    libc: loadLibc(),
    log,
  });
  await ingress.start(signal);
  return { routes: new IngressRoutes(ingress, config.certificates, log), close: () => ingress.close() };
}
