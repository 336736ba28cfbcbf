import type { JsonFields } from '../../lib/json/json-fields.ts';
import { EngineError } from '../errors.ts';
import type { PortBindings } from '../networks/network.ts';

/** Facts about the host that decide defaults of HostConfig. */
export interface HostDefaults {
  readonly cgroupVersion: '1' | '2';
  readonly runtime: { readonly name: string };
  /** Default IPC mode; `private` if absent. */
  readonly ipcMode?: 'private' | 'shareable';
}

/** The facts about a container that inspect needs in addition to the field. */
export interface ShownContainer {
  readonly privileged: boolean;
  /** Name of the runtime. */
  readonly runtime: string;
  /** `CHILD:PARENT/ALIAS`. */
  readonly links: readonly string[];
}

/** How a field of HostConfig is read from a create request and shown by inspect. */
export interface Field<T> {
  /**
   * Undefined means that the container does not have the field. Throws JsonError, EngineError 'bad-request' or
   * 'not-implemented'.
   */
  read(body: JsonFields, name: string, host: HostDefaults): T;
  /** Undefined means that inspect omits the field. */
  show(value: T, container: ShownContainer): unknown;
}

export const boolean: Field<boolean> = { read: (body, name) => body.boolean(name), show: same };
export const integer: Field<number> = { read: (body, name) => body.integer(name), show: same };
export const text: Field<string> = { read: (body, name) => body.string(name), show: same };
export const strings: Field<readonly string[]> = { read: (body, name) => body.strings(name), show: same };
/** A list of strings; inspect shows null for an absent one. */
export const stringsOrNull: Field<readonly string[]> = { ...strings, show: orNull };
/** A map of strings; inspect omits an empty one. */
export const stringMap: Field<Readonly<Record<string, string>>> = {
  read: (body, name) => body.stringMap(name),
  show: (map) => (Object.keys(map).length === 0 ? undefined : map),
};

export function same<T>(value: T): T {
  return value;
}

export function orNull(list: readonly unknown[]): readonly unknown[] | null {
  return list.length === 0 ? null : list;
}

/** A text that must be one of `modes`, or `container:REF` with `joins`. `what` names it in the error. */
export function mode<T extends string = string>(
  what: string,
  modes: readonly string[],
  joins: boolean,
  settle: (mode: string, host: HostDefaults) => T,
): Field<T> {
  return {
    read: (body, name, host) => {
      const asked = body.string(name);
      if (modes.includes(asked) || (joins && /^container:./s.test(asked))) return settle(asked, host);
      throw new EngineError('bad-request', `invalid ${what} mode: ${asked.slice(0, 80)}`);
    },
    show: same,
  };
}

/** A field that the agent sets, whatever the client sends. */
export function fixed(show: (container: ShownContainer) => unknown): Field<undefined> {
  return { read: () => undefined, show: (_, container) => show(container) };
}

/**
 * An unsupported field: a value that is neither empty nor the default is refused, never ignored. `title` is its name
 * for users; inspect shows `shown`.
 */
export function unsupported(title: string, shown?: unknown): Field<undefined> {
  return {
    read: (body, name) => refuseUnlessEmpty(body, name, title),
    show: () => shown,
  };
}

/**
 * Throws EngineError 'not-implemented' that names the option and the field, unless the field has the value of an unset
 * one.
 */
export function refuseUnlessEmpty(body: JsonFields, name: string, title: string): undefined {
  if (isEmpty(body.value(name))) return undefined;
  throw new EngineError(
    'not-implemented',
    `${title} is not supported by berth-agent: leave ${body.nameOf(name)} unset`,
  );
}

/** Returns whether Go's JSON writes this value for a field that is not set. */
export function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** One `--device`. */
export interface DeviceMapping {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  /** Letters of `rwm`. */
  readonly CgroupPermissions: string;
}

/**
 * Devices. A client that does not know the engine's system sends `HOST:CONTAINER:rwm` as one text, which is split here.
 */
export const devices: Field<readonly DeviceMapping[]> = {
  read: (body, name) => body.list(name).map(readDevice),
  show: same,
};

function readDevice(item: JsonFields): DeviceMapping {
  const inside = item.string('PathInContainer');
  const permissions = item.string('CgroupPermissions');
  const parts = item.string('PathOnHost').split(':');
  const [path = '', second = '', third = ''] = parts;
  if (parts.length > 3 || (parts.length > 1 && inside !== '')) refuseDevice(parts.join(':'));
  const isAccess = /^[rwm]{1,3}$/.test(second);
  const mapping = {
    PathOnHost: path,
    PathInContainer: inside || (isAccess ? '' : second) || path,
    CgroupPermissions: permissions || (isAccess ? second : third) || 'rwm',
  };
  if (!mapping.PathOnHost.startsWith('/') || !mapping.PathInContainer.startsWith('/')) {
    refuseDevice(parts.join(':'));
  }
  if (!/^[rwm]{1,3}$/.test(mapping.CgroupPermissions)) {
    throw new EngineError(
      'bad-request',
      `invalid device mode of ${path.slice(0, 80)}: ${mapping.CgroupPermissions.slice(0, 40)}`,
    );
  }
  return mapping;
}

function refuseDevice(device: string): never {
  throw new EngineError('bad-request', `invalid device specification: ${device.slice(0, 160)}`);
}

/** Limits of block devices by their paths on the host. */
export interface BlockIo {
  /** 10 to 1000; 0 means the host's setting. */
  readonly BlkioWeight: number;
  readonly BlkioWeightDevice: readonly { readonly Path: string; readonly Weight: number }[];
  /** Bytes per second. */
  readonly BlkioDeviceReadBps: readonly DeviceRate[];
  readonly BlkioDeviceWriteBps: readonly DeviceRate[];
  /** Operations per second. */
  readonly BlkioDeviceReadIOps: readonly DeviceRate[];
  readonly BlkioDeviceWriteIOps: readonly DeviceRate[];
}

export interface DeviceRate {
  readonly Path: string;
  readonly Rate: number;
}

/** Fields of HostConfig that the agent stores together. */
export const blockIo: Field<BlockIo> = {
  read: (body) => {
    const rates = (name: string): readonly DeviceRate[] =>
      body.list(name).map((item) => ({ Path: item.string('Path'), Rate: item.integer('Rate') }));
    const weights = body.list('BlkioWeightDevice');
    return {
      BlkioWeight: body.integer('BlkioWeight'),
      BlkioWeightDevice: weights.map((item) => ({
        Path: item.string('Path'),
        Weight: item.integer('Weight'),
      })),
      BlkioDeviceReadBps: rates('BlkioDeviceReadBps'),
      BlkioDeviceWriteBps: rates('BlkioDeviceWriteBps'),
      BlkioDeviceReadIOps: rates('BlkioDeviceReadIOps'),
      BlkioDeviceWriteIOps: rates('BlkioDeviceWriteIOps'),
    };
  },
  show: same,
};

export interface Ulimit {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

export const ulimits: Field<readonly Ulimit[]> = {
  read: (body, name) =>
    body.list(name).map((item) => ({
      Name: item.string('Name'),
      Soft: item.integer('Soft'),
      Hard: item.integer('Hard'),
    })),
  show: (list) => list.map(({ Name, Hard, Soft }) => ({ Name, Hard, Soft })),
};

/** Port bindings. A port without a protocol is a TCP port. */
export const portBindings: Field<PortBindings> = {
  read: (body, name) =>
    Object.fromEntries(
      body.mapOfLists(name).map(([key, list]) => {
        const bindings = list.map((binding) => ({
          HostIp: binding.string('HostIp'),
          HostPort: binding.string('HostPort'),
        }));
        return [key.includes('/') ? key.toLowerCase() : `${key}/tcp`, bindings] as const;
      }),
    ),
  show: same,
};

/** `[height, width]`; undefined for zeros, which clients without a terminal send. Throws EngineError 'bad-request'. */
export function readConsoleSize(body: JsonFields): readonly [rows: number, columns: number] | undefined {
  const value = body.value('ConsoleSize') ?? [0, 0];
  const sizes: readonly unknown[] = Array.isArray(value) ? value : [];
  const isSize = (size: unknown): size is number =>
    typeof size === 'number' && Number.isInteger(size) && size >= 0 && size <= 65535;
  const [rows, columns] = sizes;
  if (sizes.length !== 2 || !isSize(rows) || !isSize(columns)) {
    throw new EngineError('bad-request', `${body.nameOf('ConsoleSize')} must be two numbers of 0 to 65535`);
  }
  return rows === 0 || columns === 0 ? undefined : [rows, columns];
}

/** Returns the meaning of NetworkMode in a create body: `default` and '' are `bridge`, as inspect shows it. */
export function settledNetworkMode(asked: string): string {
  return asked === '' || asked === 'default' ? 'bridge' : asked;
}
