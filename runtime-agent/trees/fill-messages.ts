/** What the thread of one extraction answers: each chunk and the end, in order. */
export type FillReport =
  | { readonly done: true }
  | { readonly failure: string; readonly code?: string; readonly unusable: boolean };

/** A chunk of the tar, or its end. */
export type FillOrder = { readonly chunk: Uint8Array } | { readonly end: true };
