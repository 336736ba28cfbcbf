import { API_VERSION } from './api-version.ts';

/** The headers of every answer: clients take the API version from them (Engine API, "Versioning"). */
export function engineHeaders(version: string): Readonly<Record<string, string>> {
  return {
    'Api-Version': API_VERSION,
    Ostype: 'linux',
    'Docker-Experimental': 'false',
    Server: `Berth/${version} (linux)`,
  };
}
