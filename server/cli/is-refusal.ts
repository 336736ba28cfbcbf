import {
  DatabaseUnavailableError,
  LeaseLostError,
  StorageError,
  StorageUnavailableError,
} from '../../storage/errors.ts';

/** Whether an error says by its message alone what a person needs to know: it is no fault of the program. */
export function isRefusal(error: unknown): error is Error {
  return [DatabaseUnavailableError, LeaseLostError, StorageError, StorageUnavailableError].some(
    (kind) => error instanceof kind,
  );
}
