import { type AuditCatalog, COLLECTED } from '../catalog/audit-catalog.ts';
import type { GarbageReport } from './collect-garbage.ts';

/** Records the deletions of a garbage collection, if there are any. */
export async function recordCollection(
  audit: Pick<AuditCatalog, 'record'>,
  report: Readonly<GarbageReport>,
): Promise<void> {
  const { blobs, bytes, leftovers, links, manifests, repositories, uploads } = report;
  const deleted = { manifests, links, blobs, leftovers, uploads, repositories };
  const some = Object.entries(deleted).filter(([, count]) => count > 0);
  if (some.length === 0) return;
  const counts = some.map(([name, count]) => `${name}: ${count}`).join(', ');
  const detail = `${COLLECTED}deleted ${counts}; bytes: ${bytes}`;
  await audit.record([{ at: new Date(), action: 'manage', outcome: 'done', detail, count: 1 }]);
}
