import type { JsonFields } from '../../../lib/json/json-fields.ts';
import type { HealthConfig } from '../../containers/container.ts';

const DURATIONS = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'] as const;

/** Healthcheck of a create body; undefined where there is none. Throws EngineError 'bad-request'. */
export function decodeHealthcheck(body: JsonFields): HealthConfig | undefined {
  if (!body.has('Healthcheck')) return undefined;
  const check = body.fields('Healthcheck');
  const numbers = DURATIONS.map((name) => [name, check.integer(name)] as const);
  const test = check.strings('Test');
  return {
    ...(test.length === 0 ? {} : { Test: test }),
    ...Object.fromEntries(numbers.filter(([, value]) => value !== 0)),
  };
}
