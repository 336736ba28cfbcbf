import type { RouteSpec } from '../../fleet/service.ts';

/** An instance that requests may be led to. */
export interface RoutedInstance {
  readonly container: string;
  readonly route: RouteSpec;
  /** IPv4 address of the instance. */
  readonly address: string;
  /** PEM of certificate and key, where the route has them from a secret. */
  readonly certificate?: string;
}

/** Leads the requests of this host to instances of its apps. */
export interface InstanceRoutes {
  /**
   * Leads the routes of an app to exactly these instances; resolves when new requests go there. Throws EngineError, with the
   * others led, for a route that the app did not have before and that this host cannot serve.
   */
  lead(app: string, instances: readonly RoutedInstance[]): Promise<void>;
  /** Resolves when an instance without a route has no open request, or after `timeout` ms. */
  drained(instance: RoutedInstance, timeout: number, signal: AbortSignal): Promise<void>;
}

/** For a host without an ingress. */
export const NO_ROUTES: InstanceRoutes = {
  lead: async () => undefined,
  drained: async () => undefined,
};
