import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { EngineError } from '../errors.ts';
import { mount } from '../linux/mount.ts';
import { SystemCallError } from '../linux/mount-library.ts';
import { parseMountOptions } from './mount-options.ts';
import type { VolumePlace } from './volume-options.ts';

type Mounted = Extract<VolumePlace, { kind: 'mount' }>;

/**
 * Mounts what a volume's options name on its folder, by the kernel alone as dockerd does; `source` is where a folder of the host
 * is found. Throws EngineError 'runtime'.
 */
export async function mountVolume(place: Mounted, target: string, source = place.device): Promise<void> {
  const { type, device } = place;
  const { flags, data } = parseMountOptions(place.options);
  try {
    const known = await withAddress(place, data);
    await mount({ source, target, type, flags, data: known });
    // The kernel makes a bind mount first, and looks at its other flags when it is told again.
    if (flags.includes('bind') && flags.some((flag) => flag !== 'bind' && flag !== 'recursive')) {
      await mount({ source, target, type, flags: [...flags, 'remount'] });
    }
  } catch (cause) {
    const reason = cause instanceof SystemCallError ? cause.reason : (cause as Error).message;
    throw cannotMount(device, target, redact(place.options), reason, cause);
  }
}

/** As dockerd words it; clients take `no such file or directory` for exit code 127. */
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

/** The kernel resolves no names: `addr=` of NFS and CIFS gets the address, which CIFS may have in its device alone. */
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
