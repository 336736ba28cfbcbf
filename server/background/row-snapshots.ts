import type { Logger } from 'pino';
import type { SideFiles } from '../../storage/blobs/side-files.ts';
import {
  ROWS_FOLDER,
  ROWS_KEPT,
  type RowLine,
  readRowLine,
  versionOf,
} from '../../storage/recovery-copies/read-rows.ts';
import { readLatestSnapshot } from '../../storage/recovery-copies/read-snapshot.ts';
import { writeSnapshot } from '../../storage/recovery-copies/write-snapshot.ts';
import { repeat } from './repeat.ts';
import type { SharedDuty } from './shared-duty.ts';

const RHYTHM = { first: 60 * 1000, every: 10 * 60 * 1000 };
/** Milliseconds after which another registry takes over from a killed one. */
export const ROWS_LEASE = 15 * 60 * 1000;

/** Saves accounts and rules beside the content, so that a rebuilt database has them. */
export class RowSnapshots {
  readonly #rows: () => Promise<readonly RowLine[]>;
  readonly #files: SideFiles;
  readonly #log: Logger;
  readonly #duty: SharedDuty | undefined;
  /** Version of the last snapshot; undefined before that was checked. */
  #version: string | undefined;

  /** `duty` is given if several registries have one catalog. */
  constructor(rows: () => Promise<readonly RowLine[]>, files: SideFiles, log: Logger, duty?: SharedDuty) {
    this.#rows = rows;
    this.#files = files;
    this.#log = log;
    this.#duty = duty;
  }

  /** Writes a snapshot every ten minutes when something has changed, and a last one when `signal` aborts; resolves then. */
  async keep(signal: AbortSignal): Promise<void> {
    const fail = (error: unknown) => this.#log.error({ err: error }, 'accounts and rules could not be saved');
    await repeat(() => this.#write(), RHYTHM, signal, fail);
    await this.#write().catch(fail);
    await this.#duty?.drop().catch(fail);
  }

  async #write(): Promise<void> {
    if (this.#duty !== undefined && !(await this.#duty.take())) return;
    // Another registry that has had the duty meanwhile may have written one.
    if (this.#duty !== undefined) this.#version = undefined;
    const lines = await this.#rows();
    const version = versionOf(lines);
    this.#version ??= await this.#latest();
    if (version === this.#version) return;
    const file = await writeSnapshot({ files: this.#files, folder: ROWS_FOLDER, lines, kept: ROWS_KEPT });
    this.#version = version;
    this.#log.debug({ file }, 'accounts and rules were saved');
  }

  async #latest(): Promise<string> {
    const snapshot = await readLatestSnapshot(this.#files, ROWS_FOLDER, readRowLine, () => {});
    return versionOf(snapshot?.lines ?? []);
  }
}
