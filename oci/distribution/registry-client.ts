import { familiarName, type ImageReference } from '../reference.ts';
import type { CredentialSource } from './credentials/credential-files.ts';
import type { RegistryCredentials } from './credentials/registry-credentials.ts';
import { DistributionError, type RegistryErrorDetail, refusal } from './errors.ts';
import { HttpExchange, type HttpResponse } from './http-exchange.ts';
import { loginRegistry, type RegistryAddress, registryAddress, searchAddress } from './registry-address.ts';
import { mirrorAddress, type RegistryMirror } from './registry-mirror.ts';
import { RegistryRepository } from './registry-repository.ts';
import { readWhole, sendExpecting } from './registry-request.ts';
import { RegistrySession } from './registry-session.ts';
import { RepositoryWriter } from './repository-writer.ts';
import { TransientError } from './retry.ts';

const MAX_PING_BODY = 64 << 10;

/** The registry's answer to a login. */
export interface LoginAnswer {
  /** An identity token that replaces the password from now on; '' if the registry issues none. */
  readonly identityToken: string;
}

export interface RegistryClientOptions {
  /** `host` or `host:port` of registries that may be used without TLS. */
  readonly insecureRegistries: readonly string[];
  /** Mirrors in order of preference. */
  readonly mirrors: readonly RegistryMirror[];
  /** Used when a caller has no credentials. */
  readonly credentials: CredentialSource;
  readonly exchange?: HttpExchange;
}

export interface FromSourcesOptions {
  readonly credentials?: RegistryCredentials | undefined;
  readonly signal: AbortSignal;
  /**
   * Reports whether the source caused an error, so that the next source is tried; by default every DistributionError.
   */
  readonly isSourceFailure?: (error: unknown) => boolean;
}

/** Reads from registries, and writes to them, over the OCI distribution API. */
export class RegistryClient {
  readonly #exchange: HttpExchange;
  readonly #options: RegistryClientOptions;

  constructor(options: RegistryClientOptions) {
    this.#options = options;
    this.#exchange = options.exchange ?? new HttpExchange();
  }

  /** Returns the repository of a reference, with credentials for its whole use. Sends nothing yet. */
  repository(
    reference: Pick<ImageReference, 'registry' | 'repository'>,
    credentials?: RegistryCredentials,
  ): RegistryRepository {
    const { repository } = reference;
    return new RegistryRepository({
      session: this.#session(reference, credentials, [`repository:${repository}:pull`]),
      repository,
      familiarName: familiarName(reference),
    });
  }

  /**
   * Returns the sources of a reference, best first: the mirrors of its registry, then the registry itself. Mirrors get
   * only the agent's own logins.
   */
  sources(
    reference: Pick<ImageReference, 'registry' | 'repository'>,
    credentials?: RegistryCredentials,
  ): readonly RegistryRepository[] {
    const { registry, repository } = reference;
    const mirrors = this.#options.mirrors.filter(({ of }) => of === registry);
    const mirrored = mirrors.map((mirror) => {
      const session = new RegistrySession({
        exchange: this.#exchange,
        address: mirrorAddress(mirror, this.#options.insecureRegistries),
        credentials: async (signal) =>
          (await this.#options.credentials.find(mirror.host, repository, signal)) ?? {},
        scopes: [`repository:${repository}:pull`],
      });
      return new RegistryRepository({ session, repository, familiarName: familiarName(reference) });
    });
    return [...mirrored, this.repository(reference, credentials)];
  }

  /**
   * Calls `use` with the sources of a reference, best first, until one succeeds. Throws the error of the registry
   * itself.
   */
  async fromSources<T>(
    reference: Pick<ImageReference, 'registry' | 'repository'>,
    { credentials, signal, isSourceFailure = isDistributionError }: FromSourcesOptions,
    use: (repository: RegistryRepository) => Promise<T>,
  ): Promise<T> {
    const [first, ...others] = this.sources(reference, credentials);
    let source = first as RegistryRepository;
    for (const next of others) {
      try {
        return await use(source);
      } catch (error) {
        // If a mirror fails, the registry itself may succeed.
        if (!isSourceFailure(error) || signal.aborted) throw error;
      }
      source = next;
    }
    return await use(source);
  }

  /**
   * Returns a repository to push to, with credentials for its whole use. Sends nothing yet. `mountable` are
   * repositories of the same registry from which blobs may be mounted.
   */
  writer(
    reference: Pick<ImageReference, 'registry' | 'repository'>,
    credentials: RegistryCredentials | undefined,
    mountable: readonly string[],
  ): RepositoryWriter {
    const { repository } = reference;
    const scopes = [
      `repository:${repository}:pull,push`,
      ...mountable.map((source) => `repository:${source}:pull`),
    ];
    return new RepositoryWriter(this.#session(reference, credentials, scopes), repository);
  }

  /**
   * Checks credentials with a registry (`docker login`), and returns its identity token. `server` is a host, or a URL
   * as in docker's configuration. Throws DistributionError 'unauthorized', 'registry', 'bad-request'.
   */
  async checkLogin(
    server: string,
    credentials: RegistryCredentials,
    signal: AbortSignal,
  ): Promise<LoginAnswer> {
    const registry = loginRegistry(server);
    const session = this.#session({ registry, repository: '' }, credentials, [], { offline: true });
    try {
      const refused = ({ status, url }: HttpResponse, detail: RegistryErrorDetail) =>
        refusal(status, detail, { method: 'GET', url, name: url.host, reference: url.host });
      const ping = { method: 'GET', target: '/v2/' } as const;
      await readWhole(
        await sendExpecting(session, ping, { statuses: [200], refusal: refused }, signal),
        MAX_PING_BODY,
        signal,
      );
      return { identityToken: session.identityToken ?? '' };
    } catch (error) {
      if (error instanceof TransientError) throw error.failure;
      if (error instanceof DistributionError || signal.aborted) throw error;
      throw new DistributionError('registry', `the login to ${server} failed: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** Returns a session for a registry's search, which docker.io serves from a separate host. */
  searchSession(registry: string, credentials: RegistryCredentials | undefined): RegistrySession {
    const given = { registry, repository: '' };
    return this.#session(given, credentials, ['registry:catalog:search'], {
      address: searchAddress(registry, this.#options.insecureRegistries),
    });
  }

  /** Closes idle connections; requests in progress continue. */
  close(): void {
    this.#exchange.close();
  }

  #session(
    { registry, repository }: Pick<ImageReference, 'registry' | 'repository'>,
    given: RegistryCredentials | undefined,
    scopes: readonly string[],
    { offline = false, address }: { readonly offline?: boolean; readonly address?: RegistryAddress } = {},
  ): RegistrySession {
    const { insecureRegistries } = this.#options;
    const credentials = async (signal: AbortSignal) =>
      given ?? (await this.#options.credentials.find(registry, repository, signal)) ?? {};
    return new RegistrySession({
      exchange: this.#exchange,
      address: address ?? registryAddress(registry, insecureRegistries),
      credentials,
      scopes,
      offline,
    });
  }
}

function isDistributionError(error: unknown): boolean {
  return error instanceof DistributionError;
}
