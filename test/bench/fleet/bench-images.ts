import { join } from 'node:path';
import { makeBusyboxTree } from '../../support/busybox-tree.ts';
import { sendRequest } from '../../support/http-client.ts';
import { addLayer, type Layer } from '../../support/layer.ts';
import { createLayout, readBlob, readManifest } from '../../support/oci-layout.ts';
import { pseudoRandomStream } from '../../support/pseudo-random.ts';
import { pushBlob } from '../../support/push-layout.ts';
import { tarFile } from '../../support/tar-file.ts';
import { tarTree } from '../../support/tar-tree.ts';
import { writeTar } from '../../support/tar-writer.ts';
import { removeTree } from '../../support/temp-dir.ts';
import { writeImage } from '../../support/test-image.ts';
import { PASSWORD } from './bench-fleet.ts';

const USER = { name: 'admin', password: PASSWORD };
const REPOSITORY = 'team/web';

/** Makes images that differ in one layer, and pushes them to a registry. */
export class BenchImages {
  readonly #registry: string;
  readonly #folder: string;
  readonly #layerSize: number;
  #base: Promise<Layer> | undefined;
  #versions = 0;

  /** Layouts are in `folder`, and go once they are pushed. Layers that differ have `layerSize` bytes. */
  constructor(registry: string, folder: string, layerSize: number) {
    this.#registry = registry;
    this.#folder = folder;
    this.#layerSize = layerSize;
  }

  /** As Compose files name what is pushed. */
  get reference(): string {
    return `${new URL(this.#registry).host}/${REPOSITORY}:main`;
  }

  /**
   * Pushes all of a new version but its manifest. `put` pushes that: then the tag moves. The version is the content of the file
   * `/version`.
   */
  async prepare(): Promise<{ readonly version: string; put(): Promise<void> }> {
    this.#versions += 1;
    const version = String(this.#versions);
    const base = `${this.#registry}/v2/${REPOSITORY}`;
    this.#base ??= this.#makeBase();
    const bottom = await this.#base;
    const layout = join(this.#folder, version);
    await createLayout(layout);
    const big = tarFile('big', this.#layerSize, pseudoRandomStream(this.#layerSize, `version ${version}`));
    const file = { name: 'version', type: 'file', content: version } as const;
    const layers = [
      bottom,
      await addLayer(layout, big, 'gzip-stored'),
      await addLayer(layout, writeTar([file])),
    ];
    const { digest, mediaType } = await writeImage(layout, layers);
    const { config } = await readManifest(layout, digest);
    for (const { descriptor } of layers) {
      if (descriptor !== bottom.descriptor) await pushBlob(base, layout, descriptor, USER);
    }
    if (config !== undefined) await pushBlob(base, layout, config, USER);
    const body = await readBlob(layout, digest);
    await removeTree(layout);
    return {
      version,
      put: async () => {
        const headers = { 'content-type': mediaType };
        const answer = await sendRequest(`${base}/manifests/main`, {
          method: 'PUT',
          headers,
          body,
          user: USER,
        });
        if (answer.status !== 201) throw new Error(`PUT of a manifest: ${answer.status} ${answer.body}`);
      },
    };
  }

  async #makeBase(): Promise<Layer> {
    const layout = join(this.#folder, 'base');
    const tree = join(this.#folder, 'tree');
    await createLayout(layout);
    await makeBusyboxTree(tree);
    const layer = await addLayer(layout, tarTree(tree, { ownedByRoot: true }));
    await pushBlob(`${this.#registry}/v2/${REPOSITORY}`, layout, layer.descriptor, USER);
    await removeTree(layout);
    return layer;
  }
}
