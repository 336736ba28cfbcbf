import { isLoopback } from '../../lib/http/addresses.ts';
import { DistributionError } from './errors.ts';

/** The address of a registry, and how to connect to it. */
export interface RegistryAddress {
  /** `HOST` or `HOST:PORT` in its URLs. */
  readonly host: string;
  /** Allowed schemes, best first. */
  readonly schemes: readonly ('https' | 'http')[];
  /** Path before `v2/`, with a slash at both ends; `/` unless given. */
  readonly basePath?: string;
  /** Whether the certificate is verified; otherwise any is accepted. */
  readonly verifyCertificate: boolean;
}

/** docker.io is an alias; its registry has another host. */
const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_HOST = 'registry-1.docker.io';
const DOCKER_HUB_SEARCH = 'index.docker.io';

/**
 * Returns the address of a registry. As in docker, plain HTTP and HTTPS with any certificate are allowed for loopback
 * registries and those of `--insecure-registry`; all others need HTTPS.
 */
export function registryAddress(registry: string, insecureRegistries: readonly string[]): RegistryAddress {
  const host = registry === DOCKER_HUB ? DOCKER_HUB_HOST : registry;
  const insecure = isLoopbackRegistry(registry) || insecureRegistries.includes(registry);
  return { host, schemes: insecure ? ['https', 'http'] : ['https'], verifyCertificate: !insecure };
}

/** Like registryAddress, for `/v1/search`. */
export function searchAddress(registry: string, insecureRegistries: readonly string[]): RegistryAddress {
  const address = registryAddress(registry, insecureRegistries);
  return registry === DOCKER_HUB ? { ...address, host: DOCKER_HUB_SEARCH } : address;
}

/**
 * Resolves the registry of `docker login`: `https://index.docker.io/v1/` and '' mean docker.io. Throws
 * DistributionError 'bad-request'.
 */
export function loginRegistry(server: string): string {
  const [host = ''] = server.replace(/^https?:\/\//, '').split('/', 1);
  if (host === '' || host === 'index.docker.io' || host === DOCKER_HUB_HOST) return DOCKER_HUB;
  // The result becomes part of a URL, so it must be a plain host.
  if (/^[A-Za-z0-9.:[\]-]+$/.test(host) && URL.canParse(`http://${host}/`)) return host;
  throw new DistributionError(
    'bad-request',
    `"${server.slice(0, 200)}" is not a registry: expected HOST or HOST:PORT`,
  );
}

/** Reports whether a `host` or `host:port` is this machine's own. */
export function isLoopbackRegistry(registry: string): boolean {
  return isLoopback(new URL(`http://${registry}/`).hostname);
}
