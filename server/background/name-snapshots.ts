import type { Logger } from 'pino';
import type { SideFiles } from '../../storage/blobs/side-files.ts';
import type { NamesCatalog } from '../../storage/catalog/catalog.ts';
import { NAMES_FOLDER, NAMES_KEPT } from '../../storage/recovery-copies/names-snapshot.ts';
import { writeSnapshot } from '../../storage/recovery-copies/write-snapshot.ts';
import { repeat } from './repeat.ts';
import type { SharedDuty } from './shared-duty.ts';

const RHYTHM = { first: 60 * 1000, every: 10 * 60 * 1000 };
/** Milliseconds after which another registry takes over from a killed one. */
export const NAMES_LEASE = 15 * 60 * 1000;

/** Saves the names of the catalog beside the content, so that a lost database can be rebuilt. */
export class NameSnapshots {
  readonly #names: NamesCatalog;
  readonly #files: SideFiles;
  readonly #log: Logger;
  readonly #duty: SharedDuty | undefined;
  /** Version of the last snapshot; undefined before the first of this process. */
  #version: number | undefined;

  /** `duty` is given if several registries have one catalog. */
  constructor(names: NamesCatalog, files: SideFiles, log: Logger, duty?: SharedDuty) {
    this.#duty = duty;
    this.#names = names;
    this.#files = files;
    this.#log = log;
  }

  /** Writes a snapshot every ten minutes when names have changed, and a last one when `signal` aborts; resolves then. */
  async keep(signal: AbortSignal): Promise<void> {
    const fail = (error: unknown) => this.#log.error({ err: error }, 'the names could not be saved');
    await repeat((stopping) => this.#write(stopping), RHYTHM, signal, fail);
    await this.#write(undefined).catch(fail);
    await this.#duty?.drop().catch(fail);
  }

  async #write(signal: AbortSignal | undefined): Promise<void> {
    if (this.#duty !== undefined && !(await this.#duty.take())) return;
    const version = await this.#names.version();
    if (version === this.#version || (this.#version === undefined && version === 0)) return;
    const file = await writeSnapshot({
      files: this.#files,
      folder: NAMES_FOLDER,
      lines: this.#names.lines(),
      kept: NAMES_KEPT,
      signal,
    });
    this.#version = version;
    this.#log.debug({ file }, 'the names were saved');
  }
}
