import type { FoundPath, LookUpRequest, TreeTarRequest, UpperChange, UpperRequest } from './tree-tar.ts';

/** What the main thread asks of the thread of the trees. Each but `close` is answered by one TreeReport of its id. */
export type TreeOrder =
  | { readonly id: number; readonly kind: 'open'; readonly request: TreeTarRequest }
  | { readonly id: number; readonly kind: 'next' }
  | { readonly id: number; readonly kind: 'changes'; readonly request: UpperRequest }
  | { readonly id: number; readonly kind: 'size'; readonly folder: string }
  | { readonly id: number; readonly kind: 'look-up'; readonly request: LookUpRequest }
  | {
      readonly id: number;
      readonly kind: 'text';
      readonly root: number;
      readonly path: string;
      readonly limit: number;
    }
  | { readonly id: number; readonly kind: 'close' };

export type TreeReport =
  | { readonly id: number; readonly chunk: Uint8Array<ArrayBuffer> }
  | { readonly id: number; readonly ended: true }
  | { readonly id: number; readonly changes: readonly UpperChange[] }
  | { readonly id: number; readonly size: number }
  | { readonly id: number; readonly found: FoundPath | undefined }
  | { readonly id: number; readonly text: string }
  | { readonly id: number; readonly failure: string; readonly code?: string; readonly unusable: boolean };
