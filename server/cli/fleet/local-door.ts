import { X509Certificate } from 'node:crypto';
import { hostname } from 'node:os';
import { AuthError } from '../../../auth/errors.ts';
import { AppError } from '../../../fleet/app-store.ts';
import type { ReportedHost } from '../../../fleet/host.ts';
import { HostError } from '../../../fleet/host-store.ts';
import { HostInputError, parseHostName, parseLabels } from '../../../fleet/read-host.ts';
import type { AuditEntry } from '../../../storage/catalog/audit-catalog.ts';
import { recordingChange } from '../../../storage/catalog/recorded-change.ts';
import type { Config } from '../../config/config.ts';
import { instancesOn, shownApp, shownRelease } from '../../fleet/app-views.ts';
import { createJoinToken, hostView, unknownHost } from '../../fleet/host-routes.ts';
import { readCertificate } from '../../tls/certificate.ts';
import { privateAuthority } from '../../tls/private-authority.ts';
import { isRefusal } from '../interruption.ts';
import { ApiError } from '../remote/api-error.ts';
import type { DataOptions } from '../remote/registry-command.ts';
import { loadStoredConfig } from '../stored-config.ts';
import { openStoredRegistry, type StoredRegistry } from '../stored-registry.ts';
import type { FleetDoor, HostChange, ReleasePage } from './door.ts';
import type { AppView, HostTokenView, HostView, InstanceView, ReleaseView } from './views.ts';

/** Opens the fleet in the data of this machine, whether or not a server is running. Throws ConfigError. */
export async function openLocalDoor(flags: DataOptions): Promise<FleetDoor> {
  const config = loadStoredConfig({ ...flags });
  const certificate = config.tls && (await readCertificate(config.tls.files)).cert;
  return new LocalDoor(await openStoredRegistry(config), addressOf(config, certificate), certificate);
}

/** Returns the registry's address for hosts: the first name of its certificate, otherwise its listening address. */
function addressOf({ listen }: Pick<Config, 'listen'>, certificate: string | undefined): string {
  const names = certificate === undefined ? '' : (new X509Certificate(certificate).subjectAltName ?? '');
  const named = names
    .split(', ')
    .flatMap((name) => (name.startsWith('DNS:') ? name.slice(4) : []))
    .find((name) => name !== 'localhost' && !name.startsWith('*'));
  const isAny = ['0.0.0.0', '::'].includes(listen.host);
  const host = named ?? (isAny ? hostname() : listen.host);
  const scheme = certificate === undefined ? 'http' : 'https';
  return new URL(`${scheme}://${host.includes(':') ? `[${host}]` : host}:${listen.port}`).origin;
}

class LocalDoor implements FleetDoor {
  readonly #registry: StoredRegistry;
  readonly #address: string;
  /** PEM; undefined without TLS. */
  readonly #certificate: string | undefined;

  constructor(registry: StoredRegistry, address: string, certificate: string | undefined) {
    this.#registry = registry;
    this.#address = address;
    this.#certificate = certificate;
  }

  get address(): string {
    return this.#address;
  }

  createHostToken(labels: Readonly<Record<string, string>>): Promise<HostTokenView> {
    return this.#change('host token', async () => {
      const authority =
        this.#certificate === undefined ? undefined : await privateAuthority(this.#certificate);
      return createJoinToken(this.#registry.hosts, { labels, createdBy: '', authority });
    });
  }

  async hosts(): Promise<readonly HostView[]> {
    return (await this.#registry.hosts.list()).map(hostView);
  }

  async host(name: string): Promise<HostView> {
    return hostView(await this.#find(name));
  }

  async changeHost(name: string, { draining, labels, name: next }: HostChange): Promise<void> {
    await this.#change(`host change ${name}`, async () => {
      await this.#registry.hosts.update(name, {
        ...(next !== undefined && { name: parseHostName(next) }),
        ...(labels !== undefined && { labels: parseLabels(labels) }),
        ...(draining !== undefined && { draining }),
      });
    });
  }

  async removeHost(name: string): Promise<void> {
    const { id } = await this.#find(name);
    await this.#change(`host rm ${name}`, () => this.#registry.hosts.remove(id));
  }

  async apps(): Promise<readonly AppView[]> {
    const { apps } = this.#registry;
    const states = await apps.latestStates();
    return (await apps.list()).map((app) => shownApp(app, states.get(app.name)));
  }

  async instances(app: string): Promise<readonly InstanceView[]> {
    await this.#expectApp(app);
    return (await this.#registry.hosts.list()).flatMap((host) => instancesOn(host, app));
  }

  async releases(app: string, { limit, before }: ReleasePage): Promise<readonly ReleaseView[]> {
    await this.#expectApp(app);
    return (await this.#registry.apps.releases(app, limit, before)).map(shownRelease);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#registry[Symbol.asyncDispose]();
  }

  async #find(name: string): Promise<ReportedHost> {
    const host = await this.#registry.hosts.find(name);
    if (host !== undefined) return host;
    throw new ApiError(404, unknownHost(name).message);
  }

  async #expectApp(app: string): Promise<void> {
    if ((await this.#registry.apps.find(app)) !== undefined) return;
    throw new ApiError(404, `there is no app named ${JSON.stringify(app)}`);
  }

  /** Makes a change and records it in the audit. */
  async #change<Made>(what: string, work: () => Promise<Made>): Promise<Made> {
    const entry = (): AuditEntry => ({
      at: new Date(),
      action: 'manage',
      outcome: 'done',
      detail: `berth ${what}`,
      count: 1,
    });
    let made: Made | undefined;
    try {
      const recorded = await recordingChange(entry, async () => {
        made = await work();
      });
      if (!recorded) await this.#registry.catalog.audit.record([entry()]);
    } catch (error) {
      if (!isExpected(error)) throw error;
      throw new ApiError(400, error.message, [], { cause: error });
    }
    return made as Made;
  }
}

function isExpected(error: unknown): error is Error {
  return (
    isRefusal(error) || [AppError, AuthError, HostError, HostInputError].some((kind) => error instanceof kind)
  );
}
