import { type HostCertificate, outOfDate, readCertificate, readCertificateFiles } from './certificates.ts';
import { routeKey } from './check-routes.ts';
import type { ProxySettings } from './haproxy-config.ts';
import type { HttpRoute, Route, RouteProblem } from './ingress.ts';

/** Milliseconds between checks of certificates in files. */
const FILES_INTERVAL = 60_000;

/** Routes with the certificates that they need. */
export interface PreparedRoutes {
  readonly usable: readonly Route[];
  readonly certificates: readonly HostCertificate[];
  /** Problems of routes that are not served, and of those that are served without a certificate. */
  readonly problems: readonly RouteProblem[];
}

/** The parts of the proxy that certificates use. */
export interface CertificateHost {
  /** Makes plain HTTP answer this path with the value, or stops that. */
  answer(path: string, value: string | undefined): Promise<void>;
  /** Reports that other certificates are available: the routes must be prepared again. */
  changed(): void;
}

/** The parts of an ACME authority that routes need. */
export interface CertificateAuthority {
  start(host: CertificateHost): void;
  /** Returns the available certificates of these hosts; starts to order the others, and to renew those. */
  certificates(hosts: readonly string[]): Promise<readonly HostCertificate[]>;
  /** Returns why a host has no new certificate, as a sentence. */
  failure(host: string): string | undefined;
  /** Paths of open challenges, and their answers. */
  answers(): Iterable<readonly [string, string]>;
  close(): void;
}

/** The certificates of all routes: from files, secrets and an authority. */
export class RouteCertificates {
  readonly #authority: CertificateAuthority | undefined;
  /** By route: an unreadable certificate, as while its files are replaced, keeps its last value. */
  #lastGood: ReadonlyMap<string, HostCertificate> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #hasFiles = false;

  constructor(authority?: CertificateAuthority) {
    this.#authority = authority;
  }

  start(host: CertificateHost): void {
    this.#authority?.start(host);
    this.#timer = setInterval(() => {
      if (this.#hasFiles) host.changed();
    }, FILES_INTERVAL).unref();
  }

  answers(): Iterable<readonly [string, string]> {
    return this.#authority?.answers() ?? [];
  }

  close(): void {
    clearInterval(this.#timer);
    this.#authority?.close();
  }

  /**
   * Finds the certificates of routes. If a certificate cannot be used, the previous one stays. Without one, plain HTTP
   * redirects and TLS does not answer for its name. If a host has several, one is offered, so that no route can replace
   * another's: the operator's before secrets, and then the one with the shorter path. Routes without a possible
   * listener are skipped.
   */
  async prepare(routes: readonly Route[], listeners: ProxySettings): Promise<PreparedRoutes> {
    const usable: Route[] = [];
    const problems: RouteProblem[] = [];
    const found: FoundCertificate[] = [];
    const good = new Map<string, HostCertificate>();
    const byAuthority = new Set<string>();
    this.#hasFiles = false;
    for (const route of routes) {
      const obstacle = route.kind === 'http' ? this.#obstacle(route, listeners) : undefined;
      if (obstacle !== undefined) {
        problems.push({ route, message: obstacle, isServed: false });
        continue;
      }
      usable.push(route);
      if (route.kind === 'tcp' || route.tls.kind === 'none') continue;
      if (route.tls.kind === 'acme') {
        byAuthority.add(route.host);
        const failure = this.#authority?.failure(route.host);
        if (failure !== undefined) {
          problems.push({ route, message: `it has no new certificate: ${failure}`, isServed: true });
        }
        continue;
      }
      const key = routeKey(route);
      let certificate = this.#lastGood.get(key);
      try {
        certificate = await this.#read(route);
      } catch (error) {
        const message = `its certificate cannot be used: ${(error as Error).message}`;
        problems.push({ route, message, isServed: certificate !== undefined });
      }
      const date = certificate && outOfDate(certificate);
      if (date !== undefined) problems.push({ route, message: `its certificate ${date}.`, isServed: true });
      if (certificate === undefined) continue;
      good.set(key, certificate);
      found.push({ certificate, route });
    }
    this.#lastGood = good;
    const issued = (await this.#authority?.certificates([...byAuthority])) ?? [];
    for (const certificate of issued) found.push({ certificate });
    const certificates = [...Map.groupBy(found, ({ certificate }) => certificate.host).values()].flatMap(
      (all) => all.toSorted((one, other) => (rankOf(one) < rankOf(other) ? -1 : 1))[0]?.certificate ?? [],
    );
    for (const { certificate, route } of found) {
      if (route === undefined || certificates.some(({ file }) => file === certificate.file)) continue;
      const message = `another certificate of ${route.host} is offered instead of its own.`;
      problems.push({ route, message, isServed: true });
    }
    return { usable, certificates, problems };
  }

  #obstacle(route: HttpRoute, { plain, secure }: ProxySettings): string | undefined {
    if (route.tls.kind === 'none') {
      return plain.length > 0
        ? undefined
        : 'this host answers no plain HTTP: start its agent with --ingress HOST:PORT.';
    }
    if (secure.length === 0) return 'this host answers no TLS: start its agent with --ingress-tls HOST:PORT.';
    if (route.tls.kind !== 'acme') return undefined;
    if (this.#authority === undefined) return 'this host has no authority for certificates by ACME.';
    if (route.host.startsWith('*')) {
      return 'ACME issues no wildcard certificates over HTTP: name the hosts, or use a certificate from files.';
    }
    return plain.length > 0
      ? undefined
      : 'the ACME authority verifies names over plain HTTP: start the agent with --ingress HOST:80.';
  }

  async #read({ host, tls }: HttpRoute): Promise<HostCertificate | undefined> {
    if (tls.kind === 'secret') return readCertificate(tls.certificate, tls.key, host);
    if (tls.kind !== 'files') return undefined;
    this.#hasFiles = true;
    return await readCertificateFiles(tls.certificate, tls.key, host);
  }
}

interface FoundCertificate {
  readonly certificate: HostCertificate;
  /** Absent if the authority has issued it. */
  readonly route?: HttpRoute;
}

/** Returns the rank of a host's certificate; the lowest is offered. */
function rankOf({ certificate, route }: FoundCertificate): string {
  const isOperators = route === undefined || route.tls.kind === 'files';
  const path = route?.path ?? '';
  const length = String(path.length).padStart(5, '0');
  return [Number(outOfDate(certificate) !== undefined), Number(!isOperators), length, path].join(' ');
}
