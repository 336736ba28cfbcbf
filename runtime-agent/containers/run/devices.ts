import { join, relative } from 'node:path';
import { type HostDevice, type HostFiles, hostDevices, readDevice } from '../../../lib/linux/host-devices.ts';
import { EngineError } from '../../errors.ts';
import type { OciBlockIo, OciDevice, OciDeviceRule } from '../../oci-runner/bundle.ts';
import type { HostConfig } from '../host-config.ts';
import type { BlockIo, DeviceMapping } from '../host-config-fields.ts';
import type { HostResources } from '../plan/resources.ts';

/** The host's devices of a container, and its limits of them. */
export interface GatheredDevices {
  readonly devices: readonly OciDevice[];
  readonly resources: HostResources;
}

const TYPES: Readonly<Record<string, 'a' | 'b' | 'c'>> = { a: 'a', b: 'b', c: 'c' };

/**
 * Finds the devices that HostConfig names by host paths, including those in a folder; a privileged container has all
 * devices. Throws EngineError 'bad-request' for a path that is not a device.
 */
export async function gatherDevices(files: HostFiles, hostConfig: HostConfig): Promise<GatheredDevices> {
  const asked = await Promise.all(hostConfig.Devices.map((mapping) => findMapped(files, mapping)));
  const mapped = asked.flat();
  const all = hostConfig.Privileged ? await hostDevices(files, '/dev') : [];
  const inside = new Map(
    [...all, ...mapped.map(({ device }) => device)].map((device) => [device.path, device]),
  );
  const blockIo = await limitsOf(files, hostConfig.BlockIo);
  return {
    devices: [...inside.values()],
    resources: {
      rules: [...mapped.map(({ rule }) => rule), ...hostConfig.DeviceCgroupRules.map(parseRule)],
      ...(Object.keys(blockIo).length === 0 ? {} : { blockIo }),
    },
  };
}

async function findMapped(
  files: HostFiles,
  mapping: DeviceMapping,
): Promise<readonly { readonly device: OciDevice; readonly rule: OciDeviceRule }[]> {
  const { PathOnHost: path, PathInContainer: inside, CgroupPermissions: access } = mapping;
  const single = await readDevice(files, path);
  const isOne = typeof single === 'object';
  const found = isOne ? [single] : single === 'folder' ? await hostDevices(files, path) : [];
  if (found.length === 0) {
    const why = single === 'nothing' ? 'no such file or directory' : 'not a device node';
    throw new EngineError(
      'bad-request',
      `error gathering device information while adding custom device "${path}": ${why}`,
    );
  }
  return found.map((device) => ({
    device: { ...device, path: isOne ? inside : join(inside, relative(path, device.path)) },
    rule: { allow: true, type: device.type, major: device.major, minor: device.minor, access },
  }));
}

/** Parses an entry of DeviceCgroupRules that validateResources has accepted. */
function parseRule(text: string): OciDeviceRule {
  const [type = '', numbers = '', access = ''] = text.split(' ');
  const [major, minor] = numbers.split(':').map((part) => (part === '*' ? undefined : Number(part)));
  return {
    allow: true,
    ...(TYPES[type] === undefined ? {} : { type: TYPES[type] }),
    ...(major === undefined ? {} : { major }),
    ...(minor === undefined ? {} : { minor }),
    access,
  };
}

async function limitsOf(files: HostFiles, limits: BlockIo): Promise<OciBlockIo> {
  const throttles = async (list: readonly { readonly Path: string; readonly Rate: number }[]) =>
    Promise.all(list.map(async ({ Path, Rate }) => ({ ...(await numbersOf(files, Path)), rate: Rate })));
  const weights = limits.BlkioWeightDevice.map(async ({ Path, Weight }) => ({
    ...(await numbersOf(files, Path)),
    weight: Weight,
  }));
  const found = {
    weightDevice: await Promise.all(weights),
    throttleReadBpsDevice: await throttles(limits.BlkioDeviceReadBps),
    throttleWriteBpsDevice: await throttles(limits.BlkioDeviceWriteBps),
    throttleReadIOPSDevice: await throttles(limits.BlkioDeviceReadIOps),
    throttleWriteIOPSDevice: await throttles(limits.BlkioDeviceWriteIOps),
  };
  return {
    ...(limits.BlkioWeight === 0 ? {} : { weight: limits.BlkioWeight }),
    ...Object.fromEntries(Object.entries(found).filter(([, list]) => list.length > 0)),
  };
}

async function numbersOf(files: HostFiles, path: string): Promise<Pick<HostDevice, 'major' | 'minor'>> {
  const device = await readDevice(files, path);
  if (typeof device === 'string') {
    throw new EngineError(
      'bad-request',
      `a limit of block I/O names ${path.slice(0, 160)}, which is no device`,
    );
  }
  return { major: device.major, minor: device.minor };
}
