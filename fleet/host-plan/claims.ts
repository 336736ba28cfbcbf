import type { ServiceSpec, VolumeSpec } from '../service.ts';

/**
 * Returns the resources that only one running instance per host can have: published ports, exclusive volumes and, with
 * the host's network, its unknown listening ports.
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

/** Reports whether two sets of claims conflict. */
export function claimsClash(some: readonly string[], others: readonly string[]): boolean {
  return some.some((claim) => others.includes(claim));
}
