import { posix } from 'node:path';
import type { FileUse, MountSpec } from '../service.ts';
import { quote } from './compose-error.ts';
import type { Field } from './field.ts';
import { KEYS } from './keys.ts';

/** Options of the short form that have no effect on a host of the fleet. */
const NO_OPTIONS = ['rw', 'z', 'Z', 'cached', 'delegated', 'consistent'];

/** Reads `volumes` of a service, in the short form (`data:/var/lib/data:ro`) or the long one. */
export function readMounts(volumes: Field): readonly MountSpec[] {
  return volumes.list().flatMap((item) => {
    const mount = item.isObject ? readLongMount(item) : readShortMount(item);
    return mount === undefined ? [] : [mount];
  });
}

function readShortMount(item: Field): MountSpec | undefined {
  const text = item.string();
  if (text === undefined) return item.isPresent ? undefined : item.refuse('must be a volume');
  const [first = '', second, options = '', ...rest] = text.split(':');
  if (rest.length > 0) return item.refuse('must be [SOURCE:]TARGET[:OPTIONS], such as data:/var/lib/data:ro');
  if (second === undefined) {
    const target = readTarget(item, first);
    return target === undefined ? undefined : { type: 'volume', target, readOnly: false, noCopy: false };
  }
  const target = readTarget(item, second);
  const names = options === '' ? [] : options.split(',');
  const unknown = names.find((name) => !['ro', 'nocopy', ...NO_OPTIONS].includes(name));
  if (unknown !== undefined) return item.refuse(`option ${quote(unknown)} is not supported`);
  if (target === undefined) return undefined;
  const readOnly = names.includes('ro');
  if (/^[./~]/.test(first)) {
    const source = readSource(item, first);
    return source === undefined ? undefined : { type: 'bind', source, target, readOnly };
  }
  if (first === '') return item.refuse('the volume before the colon is missing');
  return { type: 'volume', volume: first, target, readOnly, noCopy: names.includes('nocopy') };
}

function readLongMount(item: Field): MountSpec | undefined {
  const mount = item.mapping(KEYS.mount);
  if (!mount.get('type').isPresent) return mount.refuse('type is missing: it is volume, bind or tmpfs');
  if (!mount.get('target').isPresent) return mount.refuse('target is missing: it is a path of the instance');
  const type = mount.get('type').oneOf(['volume', 'bind', 'tmpfs']);
  const volume = mount.get('volume').mapping(KEYS['mount.volume']);
  const tmpfs = mount.get('tmpfs').mapping(KEYS['mount.tmpfs']);
  const bind = mount.get('bind').mapping(KEYS['mount.bind']);
  for (const [part, of] of [
    [volume, 'volume'],
    [tmpfs, 'tmpfs'],
    [bind, 'bind'],
  ] as const) {
    if (part.isPresent && type !== undefined && type !== of) part.refuse(`concerns type ${of} alone`);
  }
  const target = readTarget(mount.get('target'), mount.get('target').string());
  const source = mount.get('source').string();
  const readOnly = mount.get('read_only').boolean() ?? false;
  if (type === undefined || target === undefined) return undefined;
  if (type === 'tmpfs') {
    const size = tmpfs.get('size').size();
    const mode = readMode(tmpfs.get('mode'));
    return {
      type,
      target,
      ...(size === undefined ? {} : { size }),
      ...(mode === undefined ? {} : { mode }),
    };
  }
  if (type === 'bind') {
    if (source === undefined) return mount.refuse('source is missing: it is an absolute path of the host');
    const path = readSource(mount.get('source'), source);
    return path === undefined ? undefined : { type, source: path, target, readOnly };
  }
  const noCopy = volume.get('nocopy').boolean() ?? false;
  const subpath = volume.get('subpath').string();
  if (subpath !== undefined && (posix.isAbsolute(subpath) || posix.normalize(subpath).startsWith('..'))) {
    volume.get('subpath').refuse('must be a relative path inside the volume');
  }
  return {
    type,
    ...(source === undefined || source === '' ? {} : { volume: source }),
    target,
    readOnly,
    noCopy,
    ...(subpath === undefined ? {} : { subpath }),
  };
}

/** Reads `tmpfs`: paths, each with options after a colon. */
export function readTmpfs(tmpfs: Field): readonly string[] {
  return tmpfs.stringOrStrings().flatMap((text) => {
    const colon = text.indexOf(':');
    const target = readTarget(tmpfs, colon < 0 ? text : text.slice(0, colon));
    return target === undefined ? [] : [colon < 0 ? target : `${target}${text.slice(colon)}`];
  });
}

/** Reads `secrets` or `configs` of a service. Relative targets are below `folder`. */
export function readFileUses(files: Field, folder: string, mode: number): readonly FileUse[] {
  return files.list().flatMap((item) => {
    if (!item.isObject) {
      const source = item.string();
      if (source === undefined) return item.isPresent ? [] : (item.refuse('must be a name') ?? []);
      return [{ source, target: posix.join(folder, source), mode }];
    }
    const file = item.mapping(KEYS.file);
    const source = file.get('source').string();
    if (source === undefined)
      return file.get('source').isPresent ? [] : (file.refuse('source is missing') ?? []);
    const given = file.get('target').string() ?? source;
    const target = readTarget(
      file.get('target'),
      posix.isAbsolute(given) ? given : posix.join(folder, given),
    );
    const uid = file.get('uid').text();
    const gid = file.get('gid').text();
    return target === undefined
      ? []
      : [
          {
            source,
            target,
            ...(uid === undefined ? {} : { uid }),
            ...(gid === undefined ? {} : { gid }),
            mode: readMode(file.get('mode')) ?? mode,
          },
        ];
  });
}

/** Reads permission bits: a number, or a string of octal digits. */
function readMode(field: Field): number | undefined {
  if (typeof field.value === 'string') {
    const text = field.value.replace(/^0o/, '');
    return /^[0-7]{1,5}$/.test(text) ? Number.parseInt(text, 8) : field.refuse('must be octal, such as 0440');
  }
  return field.integer(0, 0o7777);
}

function readTarget(field: Field, target: string | undefined): string | undefined {
  if (target === undefined) return undefined;
  const path = posix.normalize(target);
  if (!posix.isAbsolute(path))
    return field.refuse(`${quote(target)} must be an absolute path of the instance`);
  const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
  return trimmed === '/' ? field.refuse('must not be the root of the instance') : trimmed;
}

function readSource(field: Field, source: string): string | undefined {
  if (posix.isAbsolute(source)) return posix.normalize(source);
  return field.refuse(
    `${quote(source)} is a path of this machine, which the hosts do not have: ` +
      'use a volume, configs, or an absolute path of the hosts',
  );
}
