import type { Digest } from '../../../oci/digest.ts';
import type { Descriptor } from '../../../oci/manifest.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import { shortDigest } from '../../images/resolve-image.ts';
import type { BuildProgress, BuildRequest, BuiltImage } from '../builder.ts';
import type { RemoteStep } from '../cache/remote/cache-document.ts';
import type { CacheTarget, LayerProgress, RemoteCaches } from '../cache/remote/remote-cache.ts';
import { type InternalStep, internalStep } from '../internal-step.ts';

/** Builder.leaveCaches() over the places of caches. */
export async function leaveCaches(
  remote: Pick<RemoteCaches, 'write'>,
  images: readonly Pick<BuiltImage, 'steps'>[],
  { cacheTo, source }: Pick<BuildRequest, 'cacheTo' | 'source'>,
  progress: (step: BuildProgress) => void,
  signal: AbortSignal,
): Promise<Descriptor | undefined> {
  let manifest: Descriptor | undefined;
  for (const target of cacheTo) {
    const steps = stepsOf(images, target);
    try {
      manifest =
        (await internalStep(titleOf(target), progress, (step) =>
          remote
            .write(target, source, steps, layerProgress(step, 'writing layer'), signal)
            .catch((error: unknown) => {
              throw notLeft(target, error);
            }),
        )) ?? manifest;
    } catch (error) {
      signal.throwIfAborted();
      if (!target.ignoresErrors) throw error;
    }
  }
  return manifest;
}

/** Steps that several images share appear once. */
function stepsOf(images: readonly Pick<BuiltImage, 'steps'>[], { mode }: CacheTarget): readonly RemoteStep[] {
  const all = images.flatMap(({ steps }) => (mode === 'max' ? steps.all : steps.ofImage));
  return [...new Map(all.map((step) => [step.keys.join(), step])).values()];
}

/** Adds the cache to an error of a registry or folder. */
function notLeft(target: CacheTarget, error: unknown): unknown {
  if (!isEngineError(error)) return error;
  const place = target.kind === 'folder' ? target.path : target.reference;
  const way = target.ignoresErrors ? '' : ' (with ignore-error=true the build goes on without)';
  const message = `the cache could not be left in ${place}: ${error.message}${way}`;
  return new EngineError(error.code, message, { cause: error });
}

function titleOf(target: CacheTarget): string {
  return target.kind === 'folder'
    ? 'exporting cache to client directory'
    : `exporting cache to ${target.reference}`;
}

/** Shows the bytes of layers on a step: `writing layer 0123456789ab`. */
export function layerProgress(step: InternalStep, what: string): LayerProgress {
  return (diffId: Digest, current: number) => step.transferred(`${what} ${shortDigest(diffId)}`, current);
}
