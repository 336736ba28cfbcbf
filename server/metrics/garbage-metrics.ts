import type { MetricSet } from '../../lib/metrics/metric-set.ts';
import type { EndedCollection } from '../background/collect-garbage-on-schedule.ts';

/**
 * Counts the garbage collections of this process in `set`; call the returned function after each. `berth gc` reports
 * its own.
 */
export function countGarbage(set: MetricSet): (collection: EndedCollection) => void {
  const counter = (name: string, help: string) =>
    set.counter({ name: `berth_gc_${name}_total`, help }).with();
  const last = { seconds: 0, endedAt: 0 };
  const runs = counter('runs', 'Garbage collections that have completed.');
  const failures = counter('failures', 'Garbage collections that have failed.');
  const manifests = counter('deleted_manifests', 'Untagged manifests that were deleted.');
  const blobs = counter('deleted_blobs', 'Blobs that were deleted.');
  const leftovers = counter('deleted_leftovers', 'Unreferenced files that were deleted.');
  const bytes = counter('deleted_bytes', 'Bytes of blobs and leftovers that were deleted.');
  const uploads = counter('swept_uploads', 'Abandoned uploads that were dropped.');
  set.gauge(
    { name: 'berth_gc_last_duration_seconds', help: 'Duration of the last garbage collection.' },
    () => last.seconds,
  );
  set.gauge(
    {
      name: 'berth_gc_last_success_time_seconds',
      help: 'Time of the last successful one, in seconds since 1970; 0 for never.',
    },
    () => last.endedAt,
  );
  return ({ report, seconds }) => {
    last.seconds = seconds;
    if (report === undefined) {
      failures.value += 1;
      return;
    }
    last.endedAt = Date.now() / 1000;
    runs.value += 1;
    manifests.value += report.manifests;
    blobs.value += report.blobs;
    leftovers.value += report.leftovers;
    bytes.value += report.bytes;
    uploads.value += report.uploads;
  };
}
