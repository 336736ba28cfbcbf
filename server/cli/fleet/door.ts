import type { RegistryApi } from '../remote/registry-api.ts';
import type { AppView, HostTokenView, HostView, InstanceView, ReleaseView } from './views.ts';

export interface HostChange {
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly draining?: boolean;
}

export interface ReleasePage {
  readonly limit: number;
  /** Only releases with a lower number. */
  readonly before?: number;
}

/**
 * Reads and changes the fleet for commands: through a registry's API, or in the data of this machine. Every method
 * throws ApiError.
 */
export interface FleetDoor extends AsyncDisposable {
  /** Address of the registry for hosts; undefined when the settings do not state it. */
  readonly address: string | undefined;
  createHostToken(labels: Readonly<Record<string, string>>): Promise<HostTokenView>;
  hosts(): Promise<readonly HostView[]>;
  host(name: string): Promise<HostView>;
  changeHost(name: string, change: HostChange): Promise<void>;
  removeHost(name: string): Promise<void>;
  apps(): Promise<readonly AppView[]>;
  instances(app: string): Promise<readonly InstanceView[]>;
  /** Newest first. */
  releases(app: string, page: ReleasePage): Promise<readonly ReleaseView[]>;
}

/** A registry's API. */
export class RemoteDoor implements FleetDoor {
  readonly #api: RegistryApi;

  constructor(api: RegistryApi) {
    this.#api = api;
  }

  get address(): string {
    return this.#api.url.href.replace(/\/$/, '');
  }

  createHostToken(labels: Readonly<Record<string, string>>): Promise<HostTokenView> {
    return this.#api.call('POST', 'host-tokens', { body: { labels } });
  }

  async hosts(): Promise<readonly HostView[]> {
    return (await this.#api.call<{ hosts: readonly HostView[] }>('GET', 'hosts')).hosts;
  }

  host(name: string): Promise<HostView> {
    return this.#api.call('GET', hostPath(name));
  }

  async changeHost(name: string, change: HostChange): Promise<void> {
    await this.#api.call('PATCH', hostPath(name), { body: change });
  }

  async removeHost(name: string): Promise<void> {
    await this.#api.call('DELETE', hostPath(name));
  }

  async apps(): Promise<readonly AppView[]> {
    return (await this.#api.call<{ apps: readonly AppView[] }>('GET', 'apps')).apps;
  }

  async instances(app: string): Promise<readonly InstanceView[]> {
    const path = appPath(app, 'instances');
    return (await this.#api.call<{ instances: readonly InstanceView[] }>('GET', path)).instances;
  }

  async releases(app: string, { limit, before }: ReleasePage): Promise<readonly ReleaseView[]> {
    const query = new URLSearchParams({
      limit: String(limit),
      ...(before !== undefined && { before: String(before) }),
    });
    const path = appPath(app, `releases?${query}`);
    return (await this.#api.call<{ releases: readonly ReleaseView[] }>('GET', path)).releases;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Returns the path of an app below the API, or of one of its resources. */
export function appPath(app: string, rest?: string): string {
  const path = `apps/${encodeURIComponent(app)}`;
  return rest === undefined ? path : `${path}/${rest}`;
}

function hostPath(name: string): string {
  return `hosts/${encodeURIComponent(name)}`;
}
