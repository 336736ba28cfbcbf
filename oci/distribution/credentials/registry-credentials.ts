/** Credentials for one registry, as the header X-Registry-Auth and docker's config.json carry them. */
export interface RegistryCredentials {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}
