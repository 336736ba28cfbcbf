import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Platform } from '../../../images/image.ts';
import type { WorkerRecordSchema } from '../proto/worker_pb.ts';

/** Facts about the only worker, for clients. */
export interface WorkerFacts {
  readonly id: string;
  readonly hostname: string;
  readonly version: string;
  readonly platform: Platform;
  readonly storageDriver: string;
}

export function workerRecord(worker: WorkerFacts): MessageInitShape<typeof WorkerRecordSchema> {
  const { os, architecture, variant } = worker.platform;
  return {
    ID: worker.id,
    Labels: {
      'org.mobyproject.buildkit.worker.executor': 'oci',
      'org.mobyproject.buildkit.worker.hostname': worker.hostname,
      // This label tells buildx that the worker supports outputs other than images, caches in registries, and several
      // platforms.
      'org.mobyproject.buildkit.worker.snapshotter': worker.storageDriver,
    },
    platforms: [{ OS: os, Architecture: architecture, Variant: variant ?? '' }],
    BuildkitVersion: { package: 'berth-agent', version: worker.version, revision: '' },
  };
}
