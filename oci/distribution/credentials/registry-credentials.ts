/** Credentials for one registry, in the fields of the header X-Registry-Auth and docker's config.json. */
export interface RegistryCredentials {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}
