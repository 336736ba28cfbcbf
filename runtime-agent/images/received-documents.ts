import { OciError } from '../../oci/errors.ts';
import { type ImageConfig, readImageConfig } from '../../oci/image-config.ts';
import { refuseTooManyValues } from '../../oci/json.ts';
import { type Manifest, readManifest } from '../../oci/manifest.ts';
import { checkEntries } from '../bounds.ts';
import { EngineError } from '../errors.ts';

/** Where a document came from, for messages. */
type Origin = 'image' | 'archive' | 'cache';

/** Reads a manifest or index of a registry or an archive, as readManifest does. Throws EngineError 'bad-request'. */
export async function readReceivedManifest(
  bytes: Uint8Array,
  mediaType?: string,
  origin: Origin = 'image',
): Promise<Manifest> {
  return await readReceived(bytes, 'the manifest', origin, () => readManifest(bytes, mediaType));
}

/**
 * Reads the configuration of an image from a registry or an archive. Refuses one whose lists and maps have more entries than a container may
 * have: the agent keeps and shows them. Throws EngineError 'bad-request'.
 */
export async function readReceivedConfig(bytes: Uint8Array, origin: Origin = 'image'): Promise<ImageConfig> {
  const config = await readReceived(bytes, 'the image configuration', origin, () => readImageConfig(bytes));
  checkEntries(config, 'image');
  return config;
}

/** Refuses JSON of too many values before `read` parses it. Throws EngineError 'bad-request'; `what` begins its message. */
export async function readReceived<T>(
  bytes: Uint8Array,
  what: string,
  origin: Origin,
  read: () => T,
): Promise<T> {
  try {
    await refuseTooManyValues(bytes, what);
    return read();
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    throw new EngineError('bad-request', `the ${origin} is broken: ${error.message}`, { cause: error });
  }
}
