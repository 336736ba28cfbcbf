import type { BlockIo, DeviceRate } from '../../containers/container.ts';
import type { JsonObject } from '../http/json-body.ts';
import { readInteger, readObjectList, readString } from './fields.ts';

const AT = 'HostConfig.';

/** The block I/O limits of HostConfig. Throws EngineError 'bad-request'. */
export function decodeBlockIo(body: JsonObject): BlockIo {
  const rates = (name: string): readonly DeviceRate[] =>
    readObjectList(body, name, AT).map((item, index) => {
      const at = `${AT}${name}[${index}].`;
      return { Path: readString(item, 'Path', at), Rate: readInteger(item, 'Rate', at) };
    });
  return {
    BlkioWeight: readInteger(body, 'BlkioWeight', AT),
    BlkioWeightDevice: readObjectList(body, 'BlkioWeightDevice', AT).map((item, index) => {
      const at = `${AT}BlkioWeightDevice[${index}].`;
      return { Path: readString(item, 'Path', at), Weight: readInteger(item, 'Weight', at) };
    }),
    BlkioDeviceReadBps: rates('BlkioDeviceReadBps'),
    BlkioDeviceWriteBps: rates('BlkioDeviceWriteBps'),
    BlkioDeviceReadIOps: rates('BlkioDeviceReadIOps'),
    BlkioDeviceWriteIOps: rates('BlkioDeviceWriteIOps'),
  };
}
