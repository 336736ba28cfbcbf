import type { RegistryAddress } from './registry-address.ts';

/** A registry that is asked first for what another one has. */
export interface RegistryMirror {
  /** Whose images it has: `docker.io`, `host:port`. */
  readonly of: string;
  /** `host` or `host:port` of the mirror. */
  readonly host: string;
  readonly scheme: 'https' | 'http';
}

/**
 * Reads `[REGISTRY=]URL`, of docker.io where it names none, as dockerd's --registry-mirror has it. Undefined for what is none:
 * a mirror is the root of a host, without a login in its address.
 */
export function parseMirror(text: string): RegistryMirror | undefined {
  const equals = text.indexOf('=');
  const url = URL.parse(text.slice(equals + 1));
  const of = equals < 0 ? 'docker.io' : text.slice(0, equals);
  if (url === null || !/^https?:$/.test(url.protocol) || url.host === '') return undefined;
  if (url.href !== `${url.origin}/` || !/^[A-Za-z0-9.:[\]-]+$/.test(of)) return undefined;
  return { of, host: url.host, scheme: url.protocol === 'http:' ? 'http' : 'https' };
}

/** The operator has said by the address whether a mirror has TLS; its certificate counts unless the registry is an insecure one. */
export function mirrorAddress(
  { host, scheme }: RegistryMirror,
  insecureRegistries: readonly string[],
): RegistryAddress {
  return { host, schemes: [scheme], verifyCertificate: !insecureRegistries.includes(host) };
}
