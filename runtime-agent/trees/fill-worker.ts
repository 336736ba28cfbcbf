import { parentPort, workerData } from 'node:worker_threads';
import { loadInRoot } from '../../lib/linux/files/in-root.ts';
import { loadTreeCalls } from '../../lib/linux/files/tree-calls.ts';
import { TarFormatError } from '../../lib/tar/tar-header.ts';
import { TarParser } from '../../lib/tar/tar-parser.ts';
import type { FillOrder, FillReport } from './fill-tree.ts';
import { type FillRequest, TreeFiller, UnusableEntryError } from './tree-filler.ts';

const filler = new TreeFiller(workerData as FillRequest, loadInRoot(), loadTreeCalls());
const parser = new TarParser(filler);

parentPort?.on('message', (order: FillOrder) => {
  parentPort?.postMessage(take(order));
});

function take(order: FillOrder): FillReport {
  try {
    if ('chunk' in order) parser.push(order.chunk);
    else {
      parser.finish();
      filler.finish();
    }
    return { done: true };
  } catch (error) {
    filler.stop();
    const { message: failure, code } = error as NodeJS.ErrnoException;
    const unusable = error instanceof UnusableEntryError || error instanceof TarFormatError;
    return { failure, ...(code !== undefined && { code }), unusable };
  }
}
