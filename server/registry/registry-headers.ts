/** Headers of every answer below /v2/. Old docker clients take a registry for one of version 2 only by this. */
export const REGISTRY_HEADERS: Readonly<Record<string, string>> = {
  'Docker-Distribution-Api-Version': 'registry/2.0',
};
