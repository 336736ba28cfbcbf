import type { MountRequest } from '../../containers/container.ts';
import { EngineError } from '../../errors.ts';
import { isJsonObject, type JsonObject } from '../http/json-body.ts';
import { readBoolean, readInteger, readObject, readString, readStringMap } from './fields.ts';

const TYPES: readonly string[] = ['bind', 'volume', 'tmpfs'];

/** HostConfig.Mounts (`--mount`). Throws EngineError 'bad-request' for a wrong field, 'not-implemented' for other types. */
export function decodeMounts(value: unknown): readonly MountRequest[] {
  if (!Array.isArray(value) || !value.every(isJsonObject)) {
    throw new EngineError('bad-request', 'HostConfig.Mounts must be a list of objects');
  }
  return value.map((item, index) => decodeMount(item, `HostConfig.Mounts[${index}].`));
}

function decodeMount(item: JsonObject, at: string): MountRequest {
  const type = readString(item, 'Type', at);
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
    Source: readString(item, 'Source', at),
    Target: readString(item, 'Target', at),
    ReadOnly: readBoolean(item, 'ReadOnly', at),
    ...part(item, 'BindOptions', at, decodeBindOptions),
    ...part(item, 'VolumeOptions', at, decodeVolumeOptions),
    ...part(item, 'TmpfsOptions', at, decodeTmpfsOptions),
  };
}

/** The options of one type, where the client sent them. */
function part<Name extends string, Options>(
  item: JsonObject,
  name: Name,
  at: string,
  decode: (options: JsonObject, at: string) => Options,
): { readonly [Key in Name]?: Options } {
  if ((item[name] ?? null) === null) return {};
  return { [name]: decode(readObject(item, name, at), `${at}${name}.`) } as {
    readonly [Key in Name]?: Options;
  };
}

function decodeBindOptions(options: JsonObject, at: string): NonNullable<MountRequest['BindOptions']> {
  return {
    Propagation: readString(options, 'Propagation', at),
    NonRecursive: readBoolean(options, 'NonRecursive', at),
    CreateMountpoint: readBoolean(options, 'CreateMountpoint', at),
  };
}

function decodeVolumeOptions(options: JsonObject, at: string): NonNullable<MountRequest['VolumeOptions']> {
  return {
    NoCopy: readBoolean(options, 'NoCopy', at),
    Labels: readStringMap(options, 'Labels', at),
    Subpath: readString(options, 'Subpath', at),
    ...part(options, 'DriverConfig', at, (driver, below) => ({
      Name: readString(driver, 'Name', below),
      Options: readStringMap(driver, 'Options', below),
    })),
  };
}

function decodeTmpfsOptions(options: JsonObject, at: string): NonNullable<MountRequest['TmpfsOptions']> {
  return { SizeBytes: readInteger(options, 'SizeBytes', at), Mode: readInteger(options, 'Mode', at) };
}
