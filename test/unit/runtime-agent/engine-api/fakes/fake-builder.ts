import type { Digest } from '../../../../../oci/digest.ts';
import type {
  Builder,
  BuildProgress,
  BuildRequest,
  BuiltImage,
} from '../../../../../runtime-agent/builder/builder.ts';

/** What a build of the fake does: a test sets it. */
export type BuildScript = (
  request: BuildRequest,
  progress: (step: BuildProgress) => void,
  signal: AbortSignal,
) => Promise<void>;

/** Builds nothing: each build runs `script` and answers the same image. */
export class FakeBuilder implements Builder {
  readonly imageId: Digest;
  readonly requests: BuildRequest[] = [];
  script: BuildScript = async () => {};
  /** Images that were handed out and not released. */
  held = 0;

  constructor(imageId: Digest) {
    this.imageId = imageId;
  }

  async build(
    request: BuildRequest,
    progress: (step: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<BuiltImage> {
    this.requests.push(request);
    await this.script(request, progress, signal);
    this.held++;
    return {
      id: this.imageId,
      manifestDigest: `sha256:${'b'.repeat(64)}`,
      baseLayers: new Set(),
      materials: [],
      steps: { ofImage: [], all: [] },
      release: async () => {
        this.held--;
      },
    };
  }

  async leaveCaches(): Promise<undefined> {
    return undefined;
  }

  /** The request of the last build. */
  get request(): BuildRequest {
    const last = this.requests.at(-1);
    if (last === undefined) throw new Error('nothing was built');
    return last;
  }
}
