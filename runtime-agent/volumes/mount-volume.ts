import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { HostMounts } from '../../lib/linux/mount/host-mounts.ts';
import { mount } from '../../lib/linux/mount/mount.ts';
import { SystemCallError } from '../../lib/linux/mount-library.ts';
import { EngineError } from '../errors.ts';
import { type MountOptions, parseMountOptions } from './mount-options.ts';
import type { VolumePlace } from './volume-options.ts';

type Mounted = Extract<VolumePlace, { kind: 'mount' }>;

/**
 * Mounts the file system of a volume's options on its folder, with the kernel alone as dockerd does. Paths of the
 * options are those of the host. Throws EngineError 'runtime'.
 */
export async function mountFileSystem(
  place: Mounted,
  target: string,
  host: Pick<HostMounts, 'mount'>,
): Promise<void> {
  await orCannotMount(place, target, async ({ flags, data }) => {
    const known = await withAddress(place, data);
    await host.mount({ source: place.device, target, type: place.type, flags, data: known });
  });
}

/** Bind-mounts a folder on that of a volume, with the flags of its options. Throws EngineError 'runtime'. */
export async function mountFolder(place: Mounted, target: string, source: string): Promise<void> {
  const { type } = place;
  await orCannotMount(place, target, async ({ flags, data }) => {
    await mount({ source, target, type, flags, data });
    // The kernel first makes a bind mount, and applies its other flags only in a remount.
    if (flags.some((flag) => flag !== 'bind' && flag !== 'recursive')) {
      await mount({ source, target, type, flags: [...flags, 'remount'] });
    }
  });
}

async function orCannotMount(
  { device, options }: Mounted,
  target: string,
  work: (options: MountOptions) => Promise<void>,
): Promise<void> {
  try {
    await work(parseMountOptions(options));
  } catch (cause) {
    const reason = cause instanceof SystemCallError ? cause.reason : (cause as Error).message;
    throw cannotMount(device, target, redact(options), reason, cause);
  }
}

/** Returns an error with dockerd's message; clients map `no such file or directory` to exit code 127. */
export function cannotMount(
  device: string,
  target: string,
  options: string,
  reason: string,
  cause: unknown,
): EngineError {
  const shown = options === '' ? '' : `, data: ${options}`;
  return new EngineError(
    'runtime',
    `error while mounting volume '${target}': failed to mount local volume: mount ${device}:${target}${shown}: ${reason}`,
    { cause },
  );
}

/**
 * Adds the address, since the kernel resolves no names: `addr=` of NFS and CIFS gets it; CIFS may have the name only in
 * its device.
 */
async function withAddress({ type, device }: Mounted, data: string): Promise<string> {
  if (type !== 'nfs' && type !== 'nfs4' && type !== 'cifs') return data;
  const words = data === '' ? [] : data.split(',');
  const given = words.find((word) => word.startsWith('addr='))?.slice('addr='.length);
  const host = given ?? (type === 'cifs' ? /^\/\/([^/:]+)/.exec(device)?.[1] : undefined);
  if (host === undefined || (given !== undefined && isIP(given) !== 0)) return data;
  const { address } = await lookup(host);
  return [...words.filter((word) => !word.startsWith('addr=')), `addr=${address}`].join(',');
}

function redact(options: string): string {
  return options.replace(/\b(password|pass)=[^,]*/g, '$1=********');
}
