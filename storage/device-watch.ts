/**
 * Tracks whether a sync of a device has failed. After a failed sync the kernel takes the pages that it could not write
 * for clean, so the stored content is unknown: the process must end and start again.
 */
export class DeviceWatch {
  readonly #failure = Promise.withResolvers<unknown>();
  #failed = false;

  get failed(): boolean {
    return this.#failed;
  }

  /** Resolves with the error of the first failed sync; never while the device works. */
  get failure(): Promise<unknown> {
    return this.#failure.promise;
  }

  /** Records a failed sync. */
  report(error: unknown): void {
    this.#failed = true;
    this.#failure.resolve(error);
  }
}
