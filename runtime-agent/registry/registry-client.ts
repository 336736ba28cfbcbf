import { familiarName, type ImageReference } from '../../storage/oci/image-reference.ts';
import type { RegistryCredentials } from '../images/images.ts';
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

  /** Ends idle connections; those in use go on. */
  close(): void {
    this.#exchange.close();
  }
}
