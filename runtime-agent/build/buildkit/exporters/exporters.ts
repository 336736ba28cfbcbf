import type { Digest } from '../../../../storage/oci/digest.ts';
import { fullReference, type ImageReference } from '../../../../storage/oci/image-reference.ts';
import type { Images } from '../../../images/images.ts';
import { shortDigest } from '../../../images/pull-plan.ts';
import type { BuildProgress, BuiltImage } from '../../builder.ts';
import type { ImageOutputs, LayerForms } from '../../image-outputs.ts';
import { type InternalStep, internalStep } from '../../internal-step.ts';
import type { ClientSession } from '../session/client-session.ts';
import { sendFile } from '../session/send-file.ts';
import { sendFolder } from '../session/send-folder.ts';
import type { ImageCompression } from './compression-options.ts';
import { exportImage } from './export-image.ts';
import type { ExporterPlan } from './exporter-options.ts';

export interface ExportersDeps {
  readonly images: Images;
  readonly outputs: ImageOutputs;
}

export interface Export {
  /** Kept by its build. */
  readonly image: Pick<BuiltImage, 'id' | 'baseLayers'>;
  /** In the order in which the client asked. */
  readonly plans: readonly ExporterPlan[];
  readonly session: () => Promise<ClientSession>;
  readonly progress: (step: BuildProgress) => void;
  readonly signal: AbortSignal;
}

/** Does with an image all that its client wants, and answers what BuildKit's clients read of it. */
export async function exportAll(deps: ExportersDeps, wanted: Export): Promise<Record<string, string>> {
  const { image, plans, progress } = wanted;
  const answer: Record<string, string> = {};
  for (const [index, plan] of plans.entries()) {
    await internalStep(titleOf(plan), progress, (step) => exportOne(deps, wanted, index, plan, step));
    if (plan.kind === 'image' || plan.kind === 'archive')
      Object.assign(answer, imageAnswer(image.id, plan.names));
  }
  return answer;
}

async function exportOne(
  { images, outputs }: ExportersDeps,
  { image, session, signal }: Export,
  index: number,
  plan: ExporterPlan,
  step: InternalStep,
): Promise<void> {
  const { id } = image;
  const sent = (bytes: number) => step.transferred('sending tarball', bytes);
  const forms = ({ compression, forces }: ImageCompression): LayerForms => ({
    compression,
    keeps: (diffId) => !forces && image.baseLayers.has(diffId),
    progress: (diffId, done) => step.transferred(`compressing layer ${shortDigest(diffId)}`, done),
  });
  switch (plan.kind) {
    case 'image':
      if (plan.compression !== undefined) await outputs.compress(id, forms(plan.compression), signal);
      await exportImage(images, id, plan.names, step);
      return;
    case 'archive':
      await sendFile(
        await session(),
        index,
        outputs.archive(id, plan.names, forms(plan.compression), signal),
        sent,
        signal,
      );
      return;
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
