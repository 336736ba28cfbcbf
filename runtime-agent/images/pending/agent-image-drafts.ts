import type { KeyedLock } from '../../../lib/sync/keyed-lock.ts';
import type { Digest } from '../../../oci/digest.ts';
import { EngineError } from '../../errors.ts';
import type { Snapshotter } from '../../snapshots/snapshotter.ts';
import type { ImageCatalog } from '../image-catalog.ts';
import type { LayerHolds } from '../layer-holds.ts';
import { AgentImageDraft } from './agent-image-draft.ts';
import type { ImageDraft, ImageDrafts } from './image-drafts.ts';
import { LayerSizes } from './layer-sizes.ts';

export interface DraftsContext {
  readonly catalog: ImageCatalog;
  readonly snapshotter: Snapshotter;
  readonly sizes: LayerSizes;
  readonly holds: LayerHolds;
  /** Bytes that an uncompressed layer may have. */
  readonly layerLimit: number;
  /** Of the catalog, under the key 'catalog'. */
  readonly lock: KeyedLock;
  /** Drops what no image needs. */
  readonly sweep: () => Promise<void>;
}

/** Drafts over the catalog and the snapshotter of a host. */
export class AgentImageDrafts implements ImageDrafts {
  readonly #context: DraftsContext;
  /** How many drafts have recorded each image. */
  readonly #drafted = new Map<Digest, number>();

  constructor(context: Omit<DraftsContext, 'sizes'>) {
    this.#context = { ...context, sizes: new LayerSizes(context.snapshotter) };
  }

  begin(): ImageDraft {
    return new AgentImageDraft(this.#context, {
      drafted: (id) => this.#drafted.set(id, (this.#drafted.get(id) ?? 0) + 1),
      released: (id) => {
        const count = (this.#drafted.get(id) ?? 0) - 1;
        if (count > 0) this.#drafted.set(id, count);
        else this.#drafted.delete(id);
      },
    });
  }

  async readConfig(id: Digest): Promise<Uint8Array> {
    const bytes = await this.#context.catalog.findConfig(id);
    if (bytes === undefined) throw new EngineError('not-found', `No such image: ${id}`);
    return bytes;
  }

  isDrafted(id: Digest): boolean {
    return this.#drafted.has(id);
  }
}
