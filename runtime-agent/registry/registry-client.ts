import { familiarName, type ImageReference } from '../../storage/oci/image-reference.ts';
import type { RegistryCredentials } from '../images/images.ts';
import { checkLogin } from './check-login.ts';
import { HttpExchange } from './http-exchange.ts';
import { registryAddress } from './registry-address.ts';
import { RegistryRepository } from './registry-repository.ts';

/** Reads from registries over the OCI distribution API. */
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
    return new RegistryRepository({
      exchange: this.#exchange,
      address: registryAddress(reference.registry, this.#insecureRegistries),
      repository: reference.repository,
      familiarName: familiarName(reference),
      credentials,
    });
  }

  /**
   * Whether a registry takes these credentials (`docker login`). `server` is `host`, `host:port`, or a URL of one; '' is
   * Docker Hub. Throws EngineError 'unauthorized', 'registry' or 'bad-request'.
   */
  async checkLogin(server: string, credentials: RegistryCredentials, signal: AbortSignal): Promise<void> {
    await checkLogin(this.#exchange, this.#insecureRegistries, { server, credentials, signal });
  }

  /** Ends idle connections; those in use go on. */
  close(): void {
    this.#exchange.close();
  }
}
