import type { FoundPath, LookUpRequest, TreeTarRequest, UpperChange, UpperRequest } from './tree-tar.ts';

/** A request to the tree thread. Each except `close` gets one TreeReport with its id. */
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
