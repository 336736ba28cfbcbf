import type { JsonFields } from '../../../lib/json/json-fields.ts';
import type { DeviceMapping } from '../../containers/container.ts';
import { EngineError } from '../../errors.ts';

/**
 * HostConfig.Devices. A client that takes the engine for another system's leaves `HOST:CONTAINER:rwm` in one piece, which is
 * taken apart here. Throws EngineError 'bad-request'.
 */
export function decodeDevices(body: JsonFields): readonly DeviceMapping[] {
  return body.list('Devices').map((item) => {
    const inside = item.string('PathInContainer');
    const permissions = item.string('CgroupPermissions');
    const parts = item.string('PathOnHost').split(':');
    const [path = '', second = '', third = ''] = parts;
    if (parts.length > 3 || (parts.length > 1 && inside !== '')) refuse(parts.join(':'));
    const isAccess = /^[rwm]{1,3}$/.test(second);
    const mapping = {
      PathOnHost: path,
      PathInContainer: inside || (isAccess ? '' : second) || path,
      CgroupPermissions: permissions || (isAccess ? second : third) || 'rwm',
    };
    if (!mapping.PathOnHost.startsWith('/') || !mapping.PathInContainer.startsWith('/'))
      refuse(parts.join(':'));
    if (!/^[rwm]{1,3}$/.test(mapping.CgroupPermissions)) {
      throw new EngineError(
        'bad-request',
        `invalid device mode of ${path.slice(0, 80)}: ${mapping.CgroupPermissions.slice(0, 40)}`,
      );
    }
    return mapping;
  });
}

function refuse(text: string): never {
  throw new EngineError('bad-request', `invalid device specification: ${text.slice(0, 160)}`);
}
