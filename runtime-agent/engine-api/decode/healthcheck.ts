import type { HealthConfig } from '../../containers/container.ts';
import type { JsonObject } from '../http/json-body.ts';
import { readInteger, readObject, readStringList } from './fields.ts';

const DURATIONS = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'] as const;

/** Healthcheck of a create body; undefined where there is none. Throws EngineError 'bad-request'. */
export function decodeHealthcheck(body: JsonObject): HealthConfig | undefined {
  if ((body.Healthcheck ?? null) === null) return undefined;
  const check = readObject(body, 'Healthcheck', '');
  const numbers = DURATIONS.map((name) => [name, readInteger(check, name, 'Healthcheck.')] as const);
  const test = readStringList(check, 'Test', 'Healthcheck.');
  return {
    ...(test.length === 0 ? {} : { Test: test }),
    ...Object.fromEntries(numbers.filter(([, value]) => value !== 0)),
  };
}
