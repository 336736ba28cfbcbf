import { ConfigError } from '../../lib/settings/config-error.ts';

/** What the host does not give is for its operator to change: a failure of `step` becomes a ConfigError. */
export function needed<T>(step: Promise<T>): Promise<T> {
  return step.catch((error: Error) => {
    throw new ConfigError(`${error.message}.`, { cause: error });
  });
}
