import type { RouteSpec } from '../../fleet/service.ts';

/** An instance that can receive requests. */
export interface RoutedInstance {
  readonly container: string;
  readonly route: RouteSpec;
  /** IPv4 address of the instance. */
  readonly address: string;
  /** PEM of certificate and key, if the route has them from a secret. */
  readonly certificate?: string;
}

/** Routes the requests of this host to instances of its apps. */
export interface InstanceRoutes {
  /**
   * Makes the routes of an app lead to exactly these instances; resolves when new requests go there. Throws EngineError
   * for a route that the app did not have before and that this host cannot serve; the other routes are set anyway.
   */
  lead(app: string, instances: readonly RoutedInstance[]): Promise<void>;
  /** Resolves when an instance without a route has no open request, or after `timeout` ms. */
  drained(instance: RoutedInstance, timeout: number, signal: AbortSignal): Promise<void>;
}

/** Used on a host without an ingress. */
export const NO_ROUTES: InstanceRoutes = {
  lead: async () => undefined,
  drained: async () => undefined,
};
