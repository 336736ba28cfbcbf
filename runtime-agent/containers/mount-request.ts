import type { JsonFields } from '../../lib/json/json-fields.ts';
import { EngineError } from '../errors.ts';

const TYPES: readonly string[] = ['bind', 'volume', 'tmpfs'];

/** One `--mount`, with the fields that the client sent. */
export interface MountRequest {
  readonly Type: 'bind' | 'volume' | 'tmpfs';
  readonly Source: string;
  readonly Target: string;
  readonly ReadOnly: boolean;
  readonly BindOptions?: {
    readonly Propagation: string;
    readonly NonRecursive: boolean;
    readonly ReadOnlyNonRecursive?: boolean;
    readonly ReadOnlyForceRecursive?: boolean;
    readonly CreateMountpoint: boolean;
  };
  readonly VolumeOptions?: {
    readonly NoCopy: boolean;
    readonly Labels: Readonly<Record<string, string>>;
    readonly DriverConfig?: { readonly Name: string; readonly Options: Readonly<Record<string, string>> };
    readonly Subpath: string;
  };
  /** Size in bytes, 0 for the kernel's default; mode as the permission bits. */
  readonly TmpfsOptions?: { readonly SizeBytes: number; readonly Mode: number };
}

/**
 * Reads an element of HostConfig.Mounts. Throws JsonError, EngineError 'bad-request' or, for other types,
 * 'not-implemented'.
 */
export function readMountRequest(item: JsonFields): MountRequest {
  const type = item.string('Type');
  if (!TYPES.includes(type)) {
    if (['npipe', 'cluster', 'image'].includes(type)) {
      throw new EngineError('not-implemented', `a mount of type ${type} is not supported by berth-agent`);
    }
    throw new EngineError(
      'bad-request',
      `invalid mount config for type "${type.slice(0, 80)}": mount type unknown`,
    );
  }
  return {
    Type: type as MountRequest['Type'],
    Source: item.string('Source'),
    Target: item.string('Target'),
    ReadOnly: item.boolean('ReadOnly'),
    ...part(item, 'BindOptions', readBindOptions),
    ...part(item, 'VolumeOptions', readVolumeOptions),
    ...part(item, 'TmpfsOptions', readTmpfsOptions),
  };
}

/** Returns the options of one type, if the client sent them. */
function part<Name extends string, Options>(
  item: JsonFields,
  name: Name,
  read: (options: JsonFields) => Options,
): { readonly [Key in Name]?: Options } {
  if (!item.has(name)) return {};
  return { [name]: read(item.fields(name)) } as {
    readonly [Key in Name]?: Options;
  };
}

function readBindOptions(options: JsonFields): NonNullable<MountRequest['BindOptions']> {
  return {
    Propagation: options.string('Propagation'),
    NonRecursive: options.boolean('NonRecursive'),
    CreateMountpoint: options.boolean('CreateMountpoint'),
    ...(options.boolean('ReadOnlyNonRecursive') ? { ReadOnlyNonRecursive: true } : {}),
    ...(options.boolean('ReadOnlyForceRecursive') ? { ReadOnlyForceRecursive: true } : {}),
  };
}

function readVolumeOptions(options: JsonFields): NonNullable<MountRequest['VolumeOptions']> {
  return {
    NoCopy: options.boolean('NoCopy'),
    Labels: options.stringMap('Labels'),
    Subpath: options.string('Subpath'),
    ...part(options, 'DriverConfig', (driver) => ({
      Name: driver.string('Name'),
      Options: driver.stringMap('Options'),
    })),
  };
}

function readTmpfsOptions(options: JsonFields): NonNullable<MountRequest['TmpfsOptions']> {
  return { SizeBytes: options.integer('SizeBytes'), Mode: options.integer('Mode') };
}

/** Returns an element of HostConfig.Mounts for inspect: as with dockerd, without empty fields. */
export function showMountRequest(request: MountRequest): object {
  return Object.fromEntries(
    Object.entries(request)
      .filter(([, value]) => value !== '' && value !== false)
      .map(([name, value]) => [name, name.endsWith('Options') ? withoutEmpty(value as object) : value]),
  );
}

function withoutEmpty(options: object): object {
  return Object.fromEntries(
    Object.entries(options).filter(
      ([, value]) =>
        value !== '' &&
        value !== false &&
        value !== 0 &&
        !(typeof value === 'object' && Object.keys(value).length === 0),
    ),
  );
}
