import { join } from 'node:path';
import type { Logger } from 'pino';
import type { RouteSpec } from '../../fleet/service.ts';
import { EngineError } from '../errors.ts';
import { routeKey } from './ingress/check-routes.ts';
import type { Backend, Ingress, Route, RouteTls } from './ingress/ingress.ts';
import type { InstanceRoutes, RoutedInstance } from './instance-routes.ts';

/** Routes requests through the ingress of this host, which has one set of routes for all apps. */
export class IngressRoutes implements InstanceRoutes {
  readonly #ingress: Pick<Ingress, 'drained' | 'setRoutes'>;
  /** Holds `HOST.crt` and `HOST.key` for routes whose certificate is a file of the host. */
  readonly #certificates: string | undefined;
  readonly #log: Logger;
  readonly #apps = new Map<string, readonly RoutedInstance[]>();
  #turn: Promise<void> = Promise.resolve();

  constructor(
    ingress: Pick<Ingress, 'drained' | 'setRoutes'>,
    certificates: string | undefined,
    log: Logger,
  ) {
    this.#ingress = ingress;
    this.#certificates = certificates;
    this.#log = log;
  }

  async lead(app: string, instances: readonly RoutedInstance[]): Promise<void> {
    const before = new Set((this.#apps.get(app) ?? []).map(({ route }) => asked(route)));
    this.#apps.set(app, instances);
    const turn = this.#turn.catch(() => undefined).then(() => this.#apply());
    this.#turn = turn.then(() => undefined);
    const unserved = await turn;
    for (const { route } of instances) {
      const message = unserved.get(keyOf(route));
      // A problem with an existing route is not a reason to stop running instances.
      if (message !== undefined && !before.has(asked(route))) {
        throw new EngineError('conflict', `the route ${describe(route)} is not served: ${message}`);
      }
    }
  }

  async drained({ route, address }: RoutedInstance, timeout: number, signal: AbortSignal): Promise<void> {
    const { cut } = await this.#ingress.drained({ address, port: route.port }, { timeout }, signal);
    if (cut > 0) this.#log.warn({ address, cut }, 'requests were cut at the end of the grace period');
  }

  /** Applies the routes. Returns why some are not served, by key. */
  async #apply(): Promise<ReadonlyMap<string, string>> {
    const routes = new Map<string, { readonly route: Route; readonly backends: Backend[] }>();
    for (const instance of [...this.#apps.values()].flat()) {
      const key = keyOf(instance.route);
      const found = routes.get(key) ?? { route: this.#routeOf(instance), backends: [] };
      routes.set(key, found);
      found.backends.push({ address: instance.address, port: instance.route.port, state: 'ready' });
    }
    const all = [...routes.values()].map(({ route, backends }) => ({ ...route, backends }));
    const unserved = new Map<string, string>();
    for (const { route, message, isServed } of await this.#ingress.setRoutes(all)) {
      this.#log.warn({ route: routeKey(route) }, message);
      if (!isServed) unserved.set(routeKey(route), message);
    }
    return unserved;
  }

  #routeOf(instance: RoutedInstance): Route {
    const { route } = instance;
    if (route.kind === 'tcp') return { kind: 'tcp', port: route.listen, backends: [] };
    const { host, path } = route;
    return { kind: 'http', host, path, tls: this.#tlsOf(instance), backends: [] };
  }

  #tlsOf({ route, certificate }: RoutedInstance): RouteTls {
    if (route.kind === 'tcp') return { kind: 'none' };
    if (route.tls.kind === 'secret') return { kind: 'secret', ...splitPem(certificate ?? '') };
    if (route.tls.kind !== 'files') return { kind: route.tls.kind };
    // The name becomes a path, which is read as root.
    const name = route.host
      .toLowerCase()
      .replace(/[^a-z0-9.-]/g, '_')
      .replace(/^\.+/, '_');
    const folder = this.#certificates ?? '/nonexistent';
    return { kind: 'files', certificate: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  }
}

/** Returns the route's key at the ingress. */
function keyOf(route: RouteSpec): string {
  if (route.kind === 'tcp') return `tcp:${route.listen}`;
  return `${route.host.toLowerCase()}${route.path.replace(/\/$/, '')}/`;
}

/** Returns the address of a route and the source of its certificate. */
function asked(route: RouteSpec): string {
  return `${keyOf(route)} ${route.kind === 'tcp' ? '' : JSON.stringify(route.tls)}`;
}

function describe(route: RouteSpec): string {
  return route.kind === 'tcp' ? `of port ${route.listen}` : `${route.host}${route.path}`;
}

/** Splits a secret that contains certificate and key in one text, in any order. */
function splitPem(text: string): { readonly certificate: string; readonly key: string } {
  const blocks = text.split(/(?<=-----END [A-Z ]{1,40}-----)/);
  const isKey = (block: string) => block.includes(' PRIVATE KEY-----') || block.includes('EC PARAMETERS');
  return {
    certificate: blocks.filter((block) => !isKey(block)).join(''),
    key: blocks.filter(isKey).join(''),
  };
}
