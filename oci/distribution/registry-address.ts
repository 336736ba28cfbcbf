import { isLoopback } from '../../lib/http/addresses.ts';
import { DistributionError } from './errors.ts';

/** How a registry is reached. */
export interface RegistryAddress {
  /** `HOST` or `HOST:PORT` of its URL. */
  readonly host: string;
  /** The schemes that may be tried, the best first. */
  readonly schemes: readonly ('https' | 'http')[];
  /** Path before `v2/`, with a slash at both ends; `/` unless given. */
  readonly basePath?: string;
  /** False if any certificate is accepted. */
  readonly verifyCertificate: boolean;
}

/** docker.io is the name of the registry at another host. */
const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_HOST = 'registry-1.docker.io';
const DOCKER_HUB_SEARCH = 'index.docker.io';

/**
 * Plain HTTP, and HTTPS with any certificate, are for registries on this machine's loopback and those that the
 * operator has named (`--insecure-registry`); all others need HTTPS. As docker does it.
 */
export function registryAddress(registry: string, insecureRegistries: readonly string[]): RegistryAddress {
  const host = registry === DOCKER_HUB ? DOCKER_HUB_HOST : registry;
  const insecure = isLoopbackRegistry(registry) || insecureRegistries.includes(registry);
  return { host, schemes: insecure ? ['https', 'http'] : ['https'], verifyCertificate: !insecure };
}

/** As registryAddress, for `/v1/search`. */
export function searchAddress(registry: string, insecureRegistries: readonly string[]): RegistryAddress {
  const address = registryAddress(registry, insecureRegistries);
  return registry === DOCKER_HUB ? { ...address, host: DOCKER_HUB_SEARCH } : address;
}

/**
 * The registry that `docker login` means: `https://index.docker.io/v1/` and nothing are docker.io. Throws DistributionError
 * 'bad-request'.
 */
export function loginRegistry(server: string): string {
  const [host = ''] = server.replace(/^https?:\/\//, '').split('/', 1);
  if (host === '' || host === 'index.docker.io' || host === DOCKER_HUB_HOST) return DOCKER_HUB;
  // What it becomes a part of must be nothing but a host.
  if (/^[A-Za-z0-9.:[\]-]+$/.test(host) && URL.canParse(`http://${host}/`)) return host;
  throw new DistributionError(
    'bad-request',
    `"${server.slice(0, 200)}" is no registry: expected HOST or HOST:PORT`,
  );
}

/** Reports whether a `host` or `host:port` is this machine's own. */
export function isLoopbackRegistry(registry: string): boolean {
  return isLoopback(new URL(`http://${registry}/`).hostname);
}
