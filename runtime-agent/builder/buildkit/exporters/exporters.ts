import type { Digest } from '../../../../oci/digest.ts';
import type { Descriptor } from '../../../../oci/manifest.ts';
import { fullReference, type ImageReference } from '../../../../oci/reference.ts';
import { EngineError } from '../../../errors.ts';
import type { Images } from '../../../images/images.ts';
import type { ImageIndexes } from '../../../images/indexes/image-indexes.ts';
import { shortDigest } from '../../../images/resolve-image.ts';
import type { BuildProgress } from '../../builder.ts';
import type { ImageOutputs, LayerForms } from '../../image-outputs.ts';
import { type InternalStep, internalStep } from '../../internal-step.ts';
import type { ClientSession } from '../session/client-session.ts';
import { sendFile } from '../session/send-file.ts';
import { sendFolder } from '../session/send-folder.ts';
import type { Built, BuiltImages } from './built-images.ts';
import type { ImageCompression } from './compression-options.ts';
import type { ExporterPlan } from './exporter-options.ts';

export interface ExportersDeps {
  readonly images: Images;
  readonly outputs: ImageOutputs;
  readonly indexes: Pick<ImageIndexes, 'put'>;
}

export interface Export {
  /** Kept by their build. */
  readonly built: BuiltImages;
  /** The cache in a client's folder. */
  readonly folderCache: Descriptor | undefined;
  /** In the order in which the client asked. */
  readonly plans: readonly ExporterPlan[];
  readonly session: () => Promise<ClientSession>;
  readonly progress: (step: BuildProgress) => void;
  readonly signal: AbortSignal;
}

/** Exports an image in all requested ways, and returns the exporter response for BuildKit's clients. */
export async function exportAll(deps: ExportersDeps, wanted: Export): Promise<Record<string, string>> {
  const { built, folderCache, plans, progress } = wanted;
  for (const plan of plans) refuseSeveral(plan, built);
  const answer: Record<string, string> = {};
  // Clients put it into the index of their folder.
  if (folderCache !== undefined) answer['cache.manifest'] = JSON.stringify(folderCache);
  for (const [index, plan] of plans.entries()) {
    await internalStep(titleOf(plan), progress, (step) => exportOne(deps, wanted, index, plan, step));
    if (plan.kind === 'image' || plan.kind === 'archive')
      Object.assign(answer, imageAnswer(built.all[0].id, plan.names));
  }
  return answer;
}

/** Throws EngineError 'bad-request' for an output that can hold only one image. */
function refuseSeveral(plan: ExporterPlan, { all }: BuiltImages): void {
  if (all.length === 1 || plan.kind === 'image') return;
  if (plan.kind === 'archive' && plan.format === 'oci') return;
  const type = plan.kind === 'archive' ? plan.format : plan.kind === 'folder' ? 'local' : plan.kind;
  throw new EngineError(
    'bad-request',
    `the output type=${type} has a place for one platform: build each by itself, or take type=oci`,
  );
}

async function exportOne(
  { images, indexes, outputs }: ExportersDeps,
  { built, session, signal }: Export,
  index: number,
  plan: ExporterPlan,
  step: InternalStep,
): Promise<void> {
  const [{ id }] = built.all;
  const sent = (bytes: number) => step.transferred('sending tarball', bytes);
  switch (plan.kind) {
    case 'image':
      if (plan.compression !== undefined) {
        const formsOf = formsOfImage(plan.compression, step);
        for (const image of built.all) await outputs.compress(image.id, formsOf(image), signal);
      }
      await exportImage(images, indexes, built, plan.names, step);
      return;
    case 'archive': {
      const formsOf = formsOfImage(plan.compression, step);
      const archived = {
        images: built.all.map((image) => ({ id: image.id, platform: image.platform, forms: formsOf(image) })),
        isIndex: built.isIndex,
        names: plan.names,
      };
      await sendFile(await session(), index, outputs.archive(archived, signal), sent, signal);
      return;
    }
    case 'tar':
      await sendFile(await session(), index, outputs.filesTar(id, signal), sent, signal);
      return;
    case 'folder': {
      const tree = await outputs.files(id);
      try {
        const copied = (bytes: number) => step.transferred('copying files', bytes);
        await sendFolder(await session(), index, tree, copied, signal);
      } finally {
        await tree.release();
      }
    }
  }
}

function formsOfImage(
  { compression, forces }: ImageCompression,
  step: InternalStep,
): (image: Built) => LayerForms {
  return ({ baseLayers }) => ({
    compression,
    keeps: (diffId) => !forces && baseLayers.has(diffId),
    progress: (diffId, done) => step.transferred(`compressing layer ${shortDigest(diffId)}`, done),
  });
}

function titleOf(plan: ExporterPlan): string {
  switch (plan.kind) {
    case 'image':
      return 'exporting to image';
    case 'archive':
      return `exporting to ${plan.format} image format`;
    case 'tar':
      return 'exporting to client tarball';
    case 'folder':
      return 'exporting to client directory';
  }
}

function imageAnswer(id: Digest, names: readonly ImageReference[]): Record<string, string> {
  return {
    // Clients compare it with the image ID, which with this agent is the digest of the configuration.
    'containerimage.digest': id,
    'containerimage.config.digest': id,
    ...(names.length === 0 ? {} : { 'image.name': names.map(fullReference).join(',') }),
  };
}

/** Names a built image; of several platforms it names the one that this host runs, and pushes the others with it. */
async function exportImage(
  images: Pick<Images, 'tag'>,
  indexes: Pick<ImageIndexes, 'put'>,
  { all: [first, ...others], isIndex }: BuiltImages,
  names: readonly ImageReference[],
  step: InternalStep,
): Promise<void> {
  for (const { id } of [first, ...others]) step.did(`writing image ${id}`);
  for (const name of names.map(fullReference)) {
    await images.tag(first.id, name);
    step.did(`naming to ${name}`);
  }
  await indexes.put([first.id, ...others.map(({ id }) => id)], isIndex);
}
