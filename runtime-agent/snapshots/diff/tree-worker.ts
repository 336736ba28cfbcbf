import { parentPort } from 'node:worker_threads';
import { loadInRoot } from '../../../lib/linux/files/in-root.ts';
import { loadXattrs } from '../../../lib/linux/files/xattrs.ts';
import { lookUp, readText } from './look-up.ts';
import { UnusableTreeError } from './overlay-marks.ts';
import type { TreeOrder, TreeReport } from './tree-messages.ts';
import { TreeReader } from './tree-reader.ts';
import { treeSize } from './tree-size.ts';
import { upperChanges } from './upper-changes.ts';

const xattrs = loadXattrs();
const inRoot = loadInRoot();
const tars = new Map<number, Generator<Uint8Array, void, void>>();

parentPort?.on('message', (order: TreeOrder) => {
  const { id } = order;
  if (order.kind === 'close') {
    tars.get(id)?.return();
    tars.delete(id);
    return;
  }
  const report = step(order);
  if (!('chunk' in report)) tars.delete(id);
  parentPort?.postMessage(report, 'chunk' in report ? [report.chunk.buffer] : []);
});

function step(order: Exclude<TreeOrder, { readonly kind: 'close' }>): TreeReport {
  const { id } = order;
  try {
    if (order.kind === 'look-up') return { id, found: lookUp(inRoot, order.request) };
    if (order.kind === 'text') return { id, text: readText(inRoot, order.root, order.path, order.limit) };
    if (order.kind === 'size') return { id, size: treeSize(order.folder) };
    if (order.kind === 'changes') return { id, changes: upperChanges(order.request, xattrs) };
    if (order.kind === 'open') tars.set(id, new TreeReader(order.request, xattrs).read());
    const result = tars.get(id)?.next();
    if (result === undefined || result.done === true) return { id, ended: true };
    return { id, chunk: result.value as Uint8Array<ArrayBuffer> };
  } catch (error) {
    const { message: failure, code } = error as NodeJS.ErrnoException;
    return { id, failure, ...(code !== undefined && { code }), unusable: error instanceof UnusableTreeError };
  }
}
