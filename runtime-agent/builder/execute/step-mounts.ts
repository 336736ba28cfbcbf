import type { OciMount } from '../../oci-runner/bundle.ts';

/** What a step mounts beside its layers. */
export interface OpenedMounts {
  readonly mounts: readonly OciMount[];
  /** Variables that come with them, `NAME=value`. */
  readonly env: readonly string[];
  /** Takes away what was made for them; the process has ended. */
  close(): Promise<void>;
}
