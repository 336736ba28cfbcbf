import type { Digest } from '../digest.ts';
import type { RegistryCredentials } from './credentials/registry-credentials.ts';

export interface QueryOptions {
  /** Those of the agent's own configuration where there are none. */
  readonly credentials?: RegistryCredentials;
  readonly signal: AbortSignal;
}

/** A repository that a search has found. */
export interface FoundRepository {
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly official: boolean;
}

/** What a reference names at its registry. */
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

/** Questions to registries that bring no image here. Each throws DistributionError ('not-found', 'unauthorized', 'registry', 'bad-request'). */
export interface RegistryQueries {
  /** All tags of a repository, as its registry sorts them. */
  tags(repository: string, options: QueryOptions): Promise<readonly string[]>;

  /** `docker search [HOST/]TERM`: at most `limit` repositories. */
  search(term: string, limit: number, options: QueryOptions): Promise<readonly FoundRepository[]>;

  /** The manifest or index of a reference, and what it runs on. */
  describe(reference: string, options: QueryOptions): Promise<RemoteImage>;
}
