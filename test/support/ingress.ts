import { join } from 'node:path';
import { pino } from 'pino';
import { loadLibc } from '../../lib/linux/libc.ts';
import type { ProxySettings } from '../../runtime-agent/fleet/ingress/haproxy-config.ts';
import { HaproxyIngress } from '../../runtime-agent/fleet/ingress/haproxy-ingress.ts';
import type { BackendAddress, HttpRoute } from '../../runtime-agent/fleet/ingress/ingress.ts';
import type { ProxyPids } from '../../runtime-agent/fleet/ingress/proxy-admin.ts';
import { ProxyProcess } from '../../runtime-agent/fleet/ingress/proxy-process.ts';
import {
  type CertificateAuthority,
  RouteCertificates,
} from '../../runtime-agent/fleet/ingress/route-certificates.ts';
import { type CleanupScope, defer } from './cleanup.ts';
import { freePort } from './free-port.ts';
import { makeTempDir } from './temp-dir.ts';

/** Where an ingress of a test listens and keeps its files. */
export interface IngressPlace {
  readonly folder: string;
  readonly plainPort: number;
  readonly securePort: number;
}

/** An ingress that ends with its scope. */
export interface TestIngress extends IngressPlace {
  readonly ingress: HaproxyIngress;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
}

/** Chooses a place for an ingress; its proxy ends with `scope`. */
export async function makeIngressPlace(scope: CleanupScope): Promise<IngressPlace> {
  const folder = join(await makeTempDir(scope, 'ingress'), 'ingress');
  defer(scope, () => endProxy(folder));
  return { folder, plainPort: await freePort(), securePort: await freePort() };
}

/** Makes an ingress for a place, which is not started. */
export function openIngress(
  { folder, plainPort, securePort }: IngressPlace,
  authority?: CertificateAuthority,
): HaproxyIngress {
  const settings: ProxySettings = {
    plain: [{ address: '127.0.0.1', port: plainPort }],
    secure: [{ address: '127.0.0.1', port: securePort }],
    maxConnections: 2_000,
    threads: 2,
    user: 'haproxy',
    hasIPv6: true,
  };
  return new HaproxyIngress({
    folder,
    settings,
    certificates: new RouteCertificates(authority),
    searchPath: process.env.PATH ?? '/usr/sbin:/usr/bin',
    libc: loadLibc(),
    log: pino({ level: process.env.BERTH_TEST_LOG ?? 'silent' }),
  });
}

export async function startIngress(
  scope: CleanupScope,
  authority?: CertificateAuthority,
): Promise<TestIngress> {
  const place = await makeIngressPlace(scope);
  const ingress = openIngress(place, authority);
  await ingress.start(new AbortController().signal);
  defer(scope, () => ingress.close());
  return { ...place, ingress, url: `http://127.0.0.1:${place.plainPort}` };
}

/** Pids of the proxy of a folder; undefined when it does not run. */
export function proxyPids(folder: string): Promise<ProxyPids | undefined> {
  return proxyOf(folder).pids();
}

export function endProxy(folder: string): Promise<void> {
  return proxyOf(folder).end();
}

/** A route of plain HTTP. */
export function plainRoute(host: string, backends: readonly BackendAddress[], path = '/'): HttpRoute {
  return { kind: 'http', host, path, tls: { kind: 'none' }, backends: backends.map(ready) };
}

export function ready({ address, port }: BackendAddress) {
  return { address, port, state: 'ready' as const };
}

function proxyOf(folder: string): ProxyProcess {
  return new ProxyProcess({ folder, searchPath: process.env.PATH ?? '/usr/sbin', libc: loadLibc() });
}
