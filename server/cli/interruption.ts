import {
  DatabaseUnavailableError,
  LeaseLostError,
  StorageError,
  StorageUnavailableError,
} from '../../storage/errors.ts';

/**
 * Returns a signal that aborts at the first SIGINT or SIGTERM; the second one ends the process as it would without
 * this.
 */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => controller.abort(new Error(`interrupted by ${name}`)));
  }
  return controller.signal;
}

/** Reports whether the message of an error suffices for a person: it is not a fault of the program. */
export function isRefusal(error: unknown): error is Error {
  return [DatabaseUnavailableError, LeaseLostError, StorageError, StorageUnavailableError].some(
    (kind) => error instanceof kind,
  );
}
