import type { Digest } from '../digest.ts';
import type { RegistryCredentials } from './credentials/registry-credentials.ts';

export interface QueryOptions {
  /** By default those of the agent's own configuration. */
  readonly credentials?: RegistryCredentials;
  readonly signal: AbortSignal;
}

/** A search result. */
export interface FoundRepository {
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly official: boolean;
}

/** The object that a reference names at its registry. */
export interface RemoteImage {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly platforms: readonly RemotePlatform[];
}

export interface RemotePlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/**
 * Queries to registries that pull no image. Each throws DistributionError ('not-found', 'unauthorized', 'registry',
 * 'bad-request').
 */
export interface RegistryQueries {
  /** Lists all tags of a repository, in the registry's order. */
  tags(repository: string, options: QueryOptions): Promise<readonly string[]>;

  /** Searches as `docker search [HOST/]TERM`: at most `limit` repositories. */
  search(term: string, limit: number, options: QueryOptions): Promise<readonly FoundRepository[]>;

  /** Returns the manifest or index of a reference, and its platforms. */
  describe(reference: string, options: QueryOptions): Promise<RemoteImage>;
}
