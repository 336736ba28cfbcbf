import { EngineError } from '../../../../../runtime-agent/errors.ts';
import type { Image } from '../../../../../runtime-agent/images/image.ts';
import type { Images, PullOptions, PullProgress } from '../../../../../runtime-agent/images/images.ts';

/** An image of nothing under `name`, a familiar reference with its tag. */
export function makeImage(name: string, fill = '1'): Image {
  const id = `sha256:${fill.repeat(64)}` as const;
  return {
    id,
    manifestDigest: `sha256:${'2'.repeat(64)}`,
    platform: { os: 'linux', architecture: 'amd64' },
    config: { Env: ['PATH=/bin'], Cmd: ['/bin/sh'], Labels: { origin: 'test' } },
    diffIds: [`sha256:${'3'.repeat(64)}`],
    created: '2024-01-01T00:00:00Z',
    history: [
      { created: '2024-01-01T00:00:00Z', created_by: 'ADD tree' },
      { created: '2024-01-02T00:00:00Z', created_by: 'CMD sh', empty_layer: true },
    ],
    size: 1_234_567,
    repoTags: [name],
    repoDigests: [`${name.replace(/:[^/:]*$/, '')}@sha256:${'2'.repeat(64)}`],
  };
}

/** Images in memory. A pull tells `steps` and then has the image, or throws `failure`. */
export class FakeImages implements Images {
  images: Image[] = [];
  steps: readonly PullProgress[] = [];
  failure: EngineError | undefined;
  pulled: { readonly reference: string; readonly options: PullOptions }[] = [];
  /** Set: a pull waits after its steps until its signal aborts, and then resolves this. */
  hang: (() => void) | undefined;

  async pull(reference: string, options: PullOptions): Promise<Image> {
    this.pulled.push({ reference, options });
    for (const step of this.steps) options.progress(step);
    const { hang } = this;
    if (hang !== undefined) {
      await new Promise<void>((resolve) => {
        options.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      hang();
      options.signal.throwIfAborted();
    }
    if (this.failure !== undefined) throw this.failure;
    const image = makeImage(reference);
    this.images.push(image);
    return image;
  }

  async list(): Promise<readonly Image[]> {
    return this.images;
  }

  async get(name: string): Promise<Image> {
    const tagged = /:[^/]*$/.test(name) ? name : `${name}:latest`;
    const image = this.images.find(({ id, repoTags }) => id.includes(name) || repoTags.includes(tagged));
    if (image === undefined) throw new EngineError('not-found', `No such image: ${tagged}`);
    return image;
  }

  async tag(name: string, target: string): Promise<void> {
    const image = await this.get(name);
    this.images = this.images.map((other) =>
      other === image ? { ...image, repoTags: [...image.repoTags, target] } : other,
    );
  }

  async containerGone(): Promise<void> {}

  async remove(name: string, options: Parameters<Images['remove']>[1]) {
    const image = await this.get(name);
    const user = options.users.find(({ imageId }) => imageId === image.id);
    if (user !== undefined) {
      throw new EngineError(
        'conflict',
        `conflict: ${name} is used by container ${user.containerId.slice(0, 12)}`,
      );
    }
    this.images = this.images.filter((other) => other !== image);
    return [{ untagged: name }, { deleted: image.id }];
  }
}
