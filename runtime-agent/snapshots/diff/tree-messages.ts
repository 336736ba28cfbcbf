import type { TreeTarRequest } from './tree-tar.ts';

/** What the main thread asks of the thread of the trees. Each `open` and `next` is answered by one TreeReport of its id. */
export type TreeOrder =
  | { readonly id: number; readonly kind: 'open'; readonly request: TreeTarRequest }
  | { readonly id: number; readonly kind: 'next' }
  | { readonly id: number; readonly kind: 'close' };

export type TreeReport =
  | { readonly id: number; readonly chunk: Uint8Array<ArrayBuffer> }
  | { readonly id: number; readonly ended: true }
  | { readonly id: number; readonly failure: string; readonly code?: string; readonly unusable: boolean };
