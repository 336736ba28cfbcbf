import type { FileHandle } from 'node:fs/promises';
import type { Digest } from '../../../oci/digest.ts';
import { BufferPool, WriteBehind } from '../../../storage/blobs/filesystem/write-behind.ts';
import type { FollowThread } from '../follow/follow-thread.ts';
import type { LayerContent } from '../layer-store.ts';
import { type CheckedTar, checkTar, diffIdAlgorithm, judgeTar } from '../layer-tar.ts';

interface Reception {
  /** Empty, to be read and written. */
  readonly file: FileHandle;
  readonly follower: FollowThread;
  readonly signal: AbortSignal;
}

/** Takes a layer's tar into a file and checks it. The file is not synced. Throws as checkTar does. */
export async function receiveTar(
  expected: Digest | undefined,
  tar: LayerContent,
  reception: Reception,
): Promise<CheckedTar> {
  return tar.writeInto === undefined
    ? await writeTar(expected, tar, reception)
    : await followTar(expected, tar.writeInto, reception);
}

async function writeTar(
  expected: Digest | undefined,
  tar: AsyncIterable<Uint8Array>,
  { file, signal }: Reception,
): Promise<CheckedTar> {
  const output = new WriteBehind(file, 0, new BufferPool(3), () => file.datasync());
  try {
    return await checkTar(expected, tar, (chunk) => output.write(chunk), signal);
  } finally {
    await output.finish();
  }
}

/** Another program writes the file, and a thread reads it meanwhile. */
async function followTar(
  expected: Digest | undefined,
  writeInto: NonNullable<LayerContent['writeInto']>,
  { file, follower, signal }: Reception,
): Promise<CheckedTar> {
  const behind = new SyncBehind(file);
  const followed = follower.follow(file.fd, diffIdAlgorithm(expected), (position) =>
    behind.reached(position),
  );
  try {
    await writeInto(file.fd, () => followed.grown(), signal);
    const findings = await followed.findings();
    signal.throwIfAborted();
    return judgeTar(expected, findings);
  } finally {
    await followed.close();
    await behind.finish();
  }
}

/** Bytes after which the device begins to store them, so that a sync at the end has little left to wait for. */
const SYNC_EVERY = 32 << 20;

/** Has a file that others write stored while it grows. */
class SyncBehind {
  readonly #file: FileHandle;
  #synced = 0;
  #syncing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Tells how many bytes the file has; does not wait. */
  reached(position: number): void {
    if (position - this.#synced < SYNC_EVERY || this.#syncing !== undefined) return;
    this.#synced = position;
    this.#syncing = this.#file.datasync().then(
      () => {
        this.#syncing = undefined;
      },
      (error: unknown) => {
        this.#failure ??= { error };
      },
    );
  }

  /** Resolves when nothing is on its way; the last bytes need not be stored. Throws what storing failed with: no later sync would tell. */
  async finish(): Promise<void> {
    await this.#syncing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
