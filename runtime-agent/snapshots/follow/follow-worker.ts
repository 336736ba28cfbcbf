import { readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { TarInspection } from '../tar-findings.ts';
import type { FollowOrder, FollowReport } from './follow-messages.ts';

/** Fits a processor's own cache, from which the bytes are digested and read. */
const BUFFER_SIZE = 256 << 10;
/** Bytes of one tar after which another may have its turn. */
const TURN = 16 << 20;

interface Followed {
  readonly inspection: TarInspection;
  position: number;
}

const buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE);
const tars = new Map<number, Followed>();

parentPort?.on('message', (order: FollowOrder) => {
  if (order.kind === 'forget') tars.delete(order.tar);
  else parentPort?.postMessage(report(order));
});

function report(order: Exclude<FollowOrder, { readonly kind: 'forget' }>): FollowReport {
  const { id, tar, fd, algorithm } = order;
  try {
    const followed = tars.get(tar) ?? { inspection: new TarInspection(algorithm), position: 0 };
    tars.set(tar, followed);
    const hasMore = readOn(fd, followed);
    const { inspection, position } = followed;
    if (order.kind === 'read' || hasMore) return { id, position, hasMore };
    return { id, findings: inspection.findings() };
  } catch (error) {
    const { message: failure, code } = error as NodeJS.ErrnoException;
    return { id, failure, ...(code !== undefined && { code }) };
  }
}

function readOn(fd: number, followed: Followed): boolean {
  const end = followed.position + TURN;
  while (followed.position < end) {
    const bytesRead = readSync(fd, buffer, 0, BUFFER_SIZE, followed.position);
    if (bytesRead === 0) return false;
    followed.inspection.push(buffer.subarray(0, bytesRead));
    followed.position += bytesRead;
  }
  return true;
}
