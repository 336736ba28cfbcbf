import type { JsonFields } from '../../../lib/json/json-fields.ts';
import { CHANGEABLE_NUMBERS, CHANGEABLE_TEXTS, type ResourceChanges } from '../../containers/containers.ts';
import { isEmpty } from '../../containers/host-config-fields.ts';
import { EngineError } from '../../errors.ts';

/** Limits that only a new container can have. */
const OF_NEW_CONTAINERS = [
  'BlkioDeviceReadBps',
  'BlkioDeviceReadIOps',
  'BlkioDeviceWriteBps',
  'BlkioDeviceWriteIOps',
  'BlkioWeightDevice',
  'CgroupParent',
  'DeviceCgroupRules',
  'DeviceRequests',
  'Devices',
  'KernelMemory',
  'KernelMemoryTCP',
  'MemorySwappiness',
  'OomKillDisable',
];

/** A `POST /containers/{id}/update`: its changes, and warnings about ignored fields. */
export interface UpdateRequest {
  readonly changes: ResourceChanges;
  readonly warnings: readonly string[];
}

/**
 * Decodes the body of `POST /containers/{id}/update` (Engine API, ContainerUpdate). Values that are 0 or empty change
 * nothing. Throws EngineError 'not-implemented' for limits that only a new container can have; ulimits, which clients
 * send and dockerd silently ignores, cause a warning. `hasPids` is false for API versions without a limit on processes,
 * which ignore it.
 */
export function decodeUpdateRequest(body: JsonFields, hasPids = true): UpdateRequest {
  for (const name of OF_NEW_CONTAINERS) {
    if (isEmpty(body.value(name)) || (name === 'MemorySwappiness' && body.integer(name) === -1)) continue;
    throw new EngineError(
      'not-implemented',
      `${name} of an existing container cannot be changed by berth-agent: create a new container`,
    );
  }
  const numbers = ([...CHANGEABLE_NUMBERS, 'BlkioWeight'] as const).map(
    (name) => [name, body.integer(name)] as const,
  );
  const texts = CHANGEABLE_TEXTS.map((name) => [name, body.string(name)] as const);
  const policy = body.fields('RestartPolicy');
  const name = policy.string('Name');
  const retries = policy.integer('MaximumRetryCount');
  const changes = {
    ...Object.fromEntries(numbers.filter(([, value]) => value !== 0)),
    ...Object.fromEntries(texts.filter(([, value]) => value !== '')),
    ...(hasPids && body.has('PidsLimit') ? { PidsLimit: body.integer('PidsLimit') } : {}),
    ...(name === '' ? {} : { RestartPolicy: { Name: name, MaximumRetryCount: retries } }),
  };
  const warnings =
    body.list('Ulimits').length === 0
      ? []
      : ['Ulimits of an existing container do not change: create a new container'];
  return { changes, warnings };
}
