import { isAbsolute } from 'node:path';
import { EngineError } from '../errors.ts';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const MAX_NAME = 255;
const WHOLE_FOLDER = new Set(['bind', 'rbind', 'rw']);

/**
 * The location of a volume's content: its own folder, a folder of the host, or a file system that is mounted while it
 * is used.
 */
export type VolumePlace =
  | { readonly kind: 'own' }
  | { readonly kind: 'folder'; readonly folder: string }
  | { readonly kind: 'mount'; readonly device: string; readonly type: string; readonly options: string };

/** Throws EngineError 'bad-request' for a name that cannot be a folder's. */
export function checkVolumeName(name: string): void {
  if (NAME.test(name) && name.length <= MAX_NAME) return;
  if (name.length < 2) {
    throw new EngineError(
      'bad-request',
      `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
    );
  }
  throw new EngineError(
    'bad-request',
    `create ${name.slice(0, 80)}: "${name.slice(0, 80)}" includes invalid characters for a local volume name, only ` +
      '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
  );
}

/** Throws EngineError 'bad-request' for options of the driver `local` that make no volume. */
export function checkVolumeOptions(name: string, options: Readonly<Record<string, string>>): void {
  const at = `create ${name.slice(0, 80)}: `;
  const { type, o, device, ...others } = options;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new EngineError('bad-request', `${at}invalid option: "${unknown.slice(0, 80)}"`);
  }
  const place = volumePlace(options);
  if (place.kind === 'folder' && !isAbsolute(place.folder)) {
    throw new EngineError('bad-request', `${at}the option device must name a folder by its absolute path`);
  }
  if (place.kind !== 'mount') return;
  for (const [key, value] of [
    ['device', device],
    ['type', type],
  ] as const) {
    if (!value) throw new EngineError('bad-request', `${at}missing required option: "${key}"`);
  }
  if ([type, device, o].some((value) => value?.includes('\0'))) {
    throw new EngineError('bad-request', `${at}an option contains a zero byte`);
  }
}

/** Returns where the options of the driver `local` put a volume. */
export function volumePlace(options: Readonly<Record<string, string>>): VolumePlace {
  const { type = '', o = '', device = '' } = options;
  if (type === '' && o === '' && device === '') return { kind: 'own' };
  const isFolder = (type === '' || type === 'none') && o.split(',').every((word) => WHOLE_FOLDER.has(word));
  if (isFolder && device !== '') return { kind: 'folder', folder: device };
  return { kind: 'mount', device, type, options: o };
}
