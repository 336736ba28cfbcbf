import { ConfigError } from '../../lib/settings/config-error.ts';

/** Turns a failure of `step` into a ConfigError: the host lacks something that its operator can provide. */
export function asConfigError<T>(step: Promise<T>): Promise<T> {
  return step.catch((error: Error) => {
    throw new ConfigError(`${error.message}.`, { cause: error });
  });
}
