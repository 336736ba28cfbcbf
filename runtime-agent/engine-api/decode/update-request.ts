import type { ResourceChanges } from '../../containers/control/container-control.ts';
import { EngineError } from '../../errors.ts';
import type { JsonObject } from '../http/json-body.ts';
import { readInteger, readObject, readString } from './fields.ts';
import { isEmpty } from './unsupported.ts';

const NUMBERS = [
  'BlkioWeight',
  'CpuPeriod',
  'CpuQuota',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'CpuShares',
  'Memory',
  'MemoryReservation',
  'MemorySwap',
  'NanoCpus',
] as const;
const TEXTS = ['CpusetCpus', 'CpusetMems'] as const;
const HANDLED = new Set<string>([...NUMBERS, ...TEXTS, 'PidsLimit', 'RestartPolicy']);

/**
 * The body of `POST /containers/{id}/update` (Engine API, ContainerUpdate). What is 0 or empty stays as it is. Throws
 * EngineError 'bad-request', 'not-implemented' for limits that only a new container can have.
 */
export function decodeUpdateRequest(body: JsonObject): ResourceChanges {
  for (const [name, value] of Object.entries(body)) {
    if (HANDLED.has(name) || isEmpty(value)) continue;
    throw new EngineError(
      'not-implemented',
      `${name} of a container that is there cannot be changed by berth-agent: make a new container`,
    );
  }
  const numbers = NUMBERS.map((name) => [name, readInteger(body, name, '')] as const);
  const texts = TEXTS.map((name) => [name, readString(body, name, '')] as const);
  const policy = readObject(body, 'RestartPolicy', '');
  const name = readString(policy, 'Name', 'RestartPolicy.');
  const retries = readInteger(policy, 'MaximumRetryCount', 'RestartPolicy.');
  return {
    ...Object.fromEntries(numbers.filter(([, value]) => value !== 0)),
    ...Object.fromEntries(texts.filter(([, value]) => value !== '')),
    ...((body.PidsLimit ?? null) === null ? {} : { PidsLimit: readInteger(body, 'PidsLimit', '') }),
    ...(name === '' ? {} : { RestartPolicy: { Name: name, MaximumRetryCount: retries } }),
  };
}
