import type { JsonFields } from '../../../lib/json/json-fields.ts';
import type { MountRequest } from '../../containers/container-info.ts';
import { EngineError } from '../../errors.ts';

const TYPES: readonly string[] = ['bind', 'volume', 'tmpfs'];

/** HostConfig.Mounts (`--mount`). Throws EngineError 'bad-request' for a wrong field, 'not-implemented' for other types. */
export function decodeMounts(list: readonly JsonFields[]): readonly MountRequest[] {
  return list.map(decodeMount);
}

function decodeMount(item: JsonFields): MountRequest {
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
    ...part(item, 'BindOptions', decodeBindOptions),
    ...part(item, 'VolumeOptions', decodeVolumeOptions),
    ...part(item, 'TmpfsOptions', decodeTmpfsOptions),
  };
}

/** The options of one type, where the client sent them. */
function part<Name extends string, Options>(
  item: JsonFields,
  name: Name,
  decode: (options: JsonFields) => Options,
): { readonly [Key in Name]?: Options } {
  if (!item.has(name)) return {};
  return { [name]: decode(item.fields(name)) } as {
    readonly [Key in Name]?: Options;
  };
}

function decodeBindOptions(options: JsonFields): NonNullable<MountRequest['BindOptions']> {
  return {
    Propagation: options.string('Propagation'),
    NonRecursive: options.boolean('NonRecursive'),
    CreateMountpoint: options.boolean('CreateMountpoint'),
    ...(options.boolean('ReadOnlyNonRecursive') ? { ReadOnlyNonRecursive: true } : {}),
    ...(options.boolean('ReadOnlyForceRecursive') ? { ReadOnlyForceRecursive: true } : {}),
  };
}

function decodeVolumeOptions(options: JsonFields): NonNullable<MountRequest['VolumeOptions']> {
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

function decodeTmpfsOptions(options: JsonFields): NonNullable<MountRequest['TmpfsOptions']> {
  return { SizeBytes: options.integer('SizeBytes'), Mode: options.integer('Mode') };
}
