import { familiarName, type ImageReference } from '../../storage/oci/image-reference.ts';
import { EngineError } from '../errors.ts';
import type { RegistryCredentials } from '../images/images.ts';
import { HttpExchange } from './http-exchange.ts';
import { readBody } from './read-body.ts';
import { loginRegistry, registryAddress } from './registry-address.ts';
import { readErrorBody, refusal } from './registry-error.ts';
import { RegistryRepository } from './registry-repository.ts';
import { RegistrySession } from './registry-session.ts';
import { RepositoryWriter } from './repository-writer.ts';
import { TransientError } from './retry.ts';

const MAX_ERROR_BODY = 64 << 10;

/** Reads from registries, and writes to them, over the OCI distribution API. */
export class RegistryClient {
  readonly #exchange = new HttpExchange();
  readonly #insecureRegistries: readonly string[];

  /** `insecureRegistries`: `host` or `host:port` of those that need no TLS. */
  constructor(options: { readonly insecureRegistries: readonly string[] }) {
    this.#insecureRegistries = options.insecureRegistries;
  }

  /** The repository of a reference, with credentials for as long as it is used; nothing is sent yet. */
  repository(
    reference: Pick<ImageReference, 'registry' | 'repository'>,
    credentials: RegistryCredentials = {},
  ): RegistryRepository {
    const { registry, repository } = reference;
    return new RegistryRepository({
      session: this.#session(registry, credentials, [`repository:${repository}:pull`]),
      repository,
      familiarName: familiarName(reference),
    });
  }

  /**
   * A repository to push to, with credentials for as long as it is used; nothing is sent yet. `mountable` are repositories of
   * the same registry that blobs may be mounted from.
   */
  writer(
    reference: Pick<ImageReference, 'registry' | 'repository'>,
    credentials: RegistryCredentials,
    mountable: readonly string[],
  ): RepositoryWriter {
    const { registry, repository } = reference;
    const scopes = [
      `repository:${repository}:pull,push`,
      ...mountable.map((source) => `repository:${source}:pull`),
    ];
    return new RepositoryWriter(this.#session(registry, credentials, scopes), repository);
  }

  /**
   * Whether a registry takes these credentials (`docker login`). `server` is a host, or an address as docker's
   * configuration has it. Throws EngineError 'unauthorized', 'registry', 'bad-request'.
   */
  async checkLogin(server: string, credentials: RegistryCredentials, signal: AbortSignal): Promise<void> {
    const session = this.#session(loginRegistry(server), credentials, []);
    try {
      const response = await session.get('/v2/', {}, signal);
      const body = await readBody(response, MAX_ERROR_BODY, signal);
      if (response.status === 200) return;
      const detail = readErrorBody(response.status, body?.toString('utf8') ?? '');
      const { url } = response;
      throw refusal(response.status, detail, { method: 'GET', url, name: url.host, reference: url.host });
    } catch (error) {
      if (error instanceof TransientError) throw error.failure;
      if (error instanceof EngineError || signal.aborted) throw error;
      throw new EngineError('registry', `the login to ${server} failed: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** Ends idle connections; those in use go on. */
  close(): void {
    this.#exchange.close();
  }

  #session(registry: string, credentials: RegistryCredentials, scopes: readonly string[]): RegistrySession {
    const address = registryAddress(registry, this.#insecureRegistries);
    return new RegistrySession({ exchange: this.#exchange, address, credentials, scopes });
  }
}
