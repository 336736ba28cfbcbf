import { open } from 'node:fs/promises';
import type { Digest } from '../../../storage/oci/digest.ts';
import { digestHex } from '../../../storage/oci/digest.ts';
import { EngineError } from '../../errors.ts';
import { type RunOptions, runProcess } from '../../linux/run-process.ts';
import { invalidLayer } from '../layer-tar.ts';

/** `nobody` and `nogroup` of Debian, and the kernel's overflow ids. */
const UNPRIVILEGED = { uid: 65534, gid: 65534 } as const;
const MAX_MEMORY = 2 << 30;
const MAX_SECONDS = 600;
/** Bytes; what is unpacked has found room on the disk already. */
const MAX_IMAGE = 2 ** 44;

interface ImageRequest {
  readonly diffId: Digest;
  /** Path of the image, which is made. */
  readonly image: string;
  readonly signal: AbortSignal;
}

/**
 * Makes the EROFS index of a tar: its names and attributes, with the data left in the tar. `.wh.` entries become
 * overlay's whiteouts. mkfs.erofs reads what a stranger wrote, so it runs as nobody, sees the two files only as open
 * descriptors, and its memory, time and output are bounded. Throws EngineError 'bad-request' when it refuses the tar.
 */
export async function indexTar(request: ImageRequest & { readonly tar: string }): Promise<void> {
  const tar = await open(request.tar, 'r');
  try {
    const output = await open(request.image, 'wx+', 0o600);
    try {
      const { size } = await tar.stat();
      // Opening /proc/self/fd/N asks for permission on the file anew, though not on the folders above it.
      await output.chown(UNPRIVILEGED.uid, UNPRIVILEGED.gid);
      await makeImage(
        request,
        2 * size + (64 << 20),
        ['--tar=i', '--aufs', '--mkfs-time', '-T0', '-U', imageUuid(request.diffId), '/proc/self/fd/3'],
        { ...UNPRIVILEGED, input: tar.fd, descriptors: [output.fd] },
      );
      await output.chown(0, 0);
      await output.sync();
    } finally {
      await output.close();
    }
  } finally {
    await tar.close();
  }
}

/** Makes an EROFS image of a folder and all in it, overlay's whiteouts and marks included. Throws as indexTar does. */
export async function packTree(request: ImageRequest & { readonly tree: string }): Promise<void> {
  const output = await open(request.image, 'wx', 0o600);
  try {
    await makeImage(request, MAX_IMAGE, ['-U', imageUuid(request.diffId), request.image, request.tree], {});
    await output.sync();
  } finally {
    await output.close();
  }
}

async function makeImage(
  { diffId, signal }: ImageRequest,
  maxSize: number,
  args: readonly string[],
  options: RunOptions,
): Promise<void> {
  const limits = [`--as=${MAX_MEMORY}`, `--cpu=${MAX_SECONDS}`, `--fsize=${maxSize}`, '--core=0'];
  const result = await runProcess('prlimit', [...limits, 'mkfs.erofs', '--quiet', ...args], {
    ...options,
    cwd: '/',
    env: { PATH: process.env.PATH },
    timeout: MAX_SECONDS * 1000,
    maxOutput: 64 << 10,
    signal,
  });
  if (result.exitCode !== 0) throw imageFailure(diffId, result);
}

function imageFailure(
  diffId: Digest,
  result: { readonly stderr: string; readonly timedOut: boolean },
): EngineError {
  if (result.timedOut) return invalidLayer(diffId, `its image took more than ${MAX_SECONDS} seconds to make`);
  if (/No space left on device|Disk quota exceeded/.test(result.stderr)) {
    return new EngineError(
      'storage-full',
      'no space is left for the image: free some on the disk of the data folder',
    );
  }
  const lines = result.stderr.split('\n').filter((line) => line.includes('<E>'));
  const why = lines.map((line) => line.replace(/^.*<E>\s*erofs:\s*/, '').trim()).join('; ');
  return invalidLayer(diffId, why || result.stderr.trim().slice(0, 500) || 'mkfs.erofs refused it');
}

/** The same for the same layer, so that an image can be made again byte for byte. */
function imageUuid(diffId: Digest): string {
  const hex = digestHex(diffId);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}
