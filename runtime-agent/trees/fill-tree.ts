import { once } from 'node:events';
import { endThread, startThread } from '../../lib/threads/start-thread.ts';
import { EngineError } from '../errors.ts';
import { decompressStream } from './decompress-stream.ts';
import type { FillRequest } from './tree-filler.ts';

/** Errors of the device or mount, in words for users. */
const REASONS: Readonly<Record<string, string>> = {
  EROFS: 'the place is mounted read-only',
  EPERM: 'the place does not allow it',
  EACCES: 'the place does not allow it',
  ENOTDIR: 'a component of the path is not a folder',
  ELOOP: 'a component of the path is a loop of links',
  EEXIST: 'it was created by another process meanwhile',
  ENOENT: 'the target of its link does not exist',
};

/**
 * Unpacks a tar, compressed or not, in a separate thread, because a container's mount may block it. Unpacked files stay
 * when it fails. Throws EngineError 'bad-request', 'storage-full', and the signal's reason.
 */
export async function fillTree(
  request: FillRequest,
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  // The descriptor of the root is passed through, and Node would close it with the thread.
  const worker = startThread(new URL('./fill-worker.ts', import.meta.url), request, {
    trackUnmanagedFds: false,
    resourceLimits: {},
  });
  worker.ref();
  const failed = new AbortController();
  worker.once('error', (error) => failed.abort(error));
  const either = AbortSignal.any([signal, failed.signal]);
  const send = async (order: FillOrder) => {
    worker.postMessage(order);
    const [report] = (await once(worker, 'message', { signal: either }).catch(() => {
      throw either.reason;
    })) as [FillReport];
    if ('failure' in report) throw failure(report);
  };
  try {
    for await (const chunk of decompressStream(tar, signal)) {
      signal.throwIfAborted();
      await send({ chunk });
    }
    await send({ end: true });
  } finally {
    await endThread(worker);
  }
}

function failure(report: Extract<FillReport, { readonly failure: string }>): EngineError {
  const { code, failure: message } = report;
  if (report.unusable) return new EngineError('bad-request', message);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new EngineError(
      'storage-full',
      'no space left on device: free some on the disk of the data folder or of the volume',
    );
  }
  const reason = code === undefined ? undefined : REASONS[code];
  return new EngineError(
    reason === undefined ? 'runtime' : 'bad-request',
    reason ? `${message}: ${reason}` : message,
  );
}

/** Reports of an extraction thread: each chunk and the end, in order. */
export type FillReport =
  | { readonly done: true }
  | { readonly failure: string; readonly code?: string; readonly unusable: boolean };

/** A chunk of the tar, or its end. */
export type FillOrder = { readonly chunk: Uint8Array } | { readonly end: true };
