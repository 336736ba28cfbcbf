import type { ServiceSpec, VolumeSpec } from '../service.ts';

/**
 * What only one running instance of a host can have: a published port, an exclusive volume, and with the network of the host
 * the ports that its program listens on, which nobody knows.
 */
export function claimsOf(spec: ServiceSpec, volumes: readonly VolumeSpec[]): readonly string[] {
  const exclusive = new Set(volumes.filter((volume) => volume.exclusive).map(({ name }) => name));
  const ports = spec.ports.flatMap(({ protocol, published }) =>
    published === undefined ? [] : [`port:${protocol}:${published}`],
  );
  const held = spec.mounts.flatMap((mount) =>
    mount.type === 'volume' && mount.volume !== undefined && exclusive.has(mount.volume)
      ? [`volume:${mount.volume}`]
      : [],
  );
  return [...ports, ...held, ...(spec.networkMode === 'host' ? [`network:${spec.name}`] : [])];
}

/** Whether both want the same. */
export function claimsClash(some: readonly string[], others: readonly string[]): boolean {
  return some.some((claim) => others.includes(claim));
}
