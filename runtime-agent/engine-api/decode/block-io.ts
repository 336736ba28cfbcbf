import type { JsonFields } from '../../../lib/json/json-fields.ts';
import type { BlockIo, DeviceRate } from '../../containers/container.ts';

/** The block I/O limits of HostConfig. Throws EngineError 'bad-request'. */
export function decodeBlockIo(body: JsonFields): BlockIo {
  const rates = (name: string): readonly DeviceRate[] =>
    body.list(name).map((item) => ({ Path: item.string('Path'), Rate: item.integer('Rate') }));
  return {
    BlkioWeight: body.integer('BlkioWeight'),
    BlkioWeightDevice: body
      .list('BlkioWeightDevice')
      .map((item) => ({ Path: item.string('Path'), Weight: item.integer('Weight') })),
    BlkioDeviceReadBps: rates('BlkioDeviceReadBps'),
    BlkioDeviceWriteBps: rates('BlkioDeviceWriteBps'),
    BlkioDeviceReadIOps: rates('BlkioDeviceReadIOps'),
    BlkioDeviceWriteIOps: rates('BlkioDeviceWriteIOps'),
  };
}
