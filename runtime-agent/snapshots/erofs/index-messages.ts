/** Asks for the index of a tar. Answered by one IndexReport of its id; until then the descriptors stay open. */
export interface IndexOrder {
  readonly id: number;
  /** A descriptor of the whole tar, open for reading. */
  readonly tar: number;
  /** A descriptor of an empty file, open for writing. */
  readonly image: number;
  /** 32 hexadecimal digits. */
  readonly uuid: string;
}

export type IndexReport =
  | { readonly id: number }
  /** Why the tar makes no tree. */
  | { readonly id: number; readonly malformed: string }
  | { readonly id: number; readonly failure: string; readonly code?: string };
