import type { RegistryAddress } from './registry-address.ts';

/** A mirror: a registry that is tried first for another registry's images. */
export interface RegistryMirror {
  /** The registry that it mirrors: `docker.io`, `host:port`. */
  readonly of: string;
  /** `host` or `host:port` of the mirror. */
  readonly host: string;
  readonly scheme: 'https' | 'http';
}

/**
 * Parses `[REGISTRY=]URL`, by default for docker.io, as dockerd's --registry-mirror. Returns undefined for invalid
 * text: a mirror is the root of a host, without a login in its URL.
 */
export function parseMirror(text: string): RegistryMirror | undefined {
  const equals = text.indexOf('=');
  const url = URL.parse(text.slice(equals + 1));
  const of = equals < 0 ? 'docker.io' : text.slice(0, equals);
  if (url === null || !/^https?:$/.test(url.protocol) || url.host === '') return undefined;
  if (url.href !== `${url.origin}/` || !/^[A-Za-z0-9.:[\]-]+$/.test(of)) return undefined;
  return { of, host: url.host, scheme: url.protocol === 'http:' ? 'http' : 'https' };
}

/**
 * Returns a mirror's address. Its URL decides about TLS; its certificate is verified unless the host is an insecure
 * registry.
 */
export function mirrorAddress(
  { host, scheme }: RegistryMirror,
  insecureRegistries: readonly string[],
): RegistryAddress {
  return { host, schemes: [scheme], verifyCertificate: !insecureRegistries.includes(host) };
}
