/** What the main thread tells the thread that sends. Descriptors of sockets become the thread's own. */
export type SendfileCommand =
  | {
      readonly kind: 'send';
      readonly key: number;
      readonly socket: number;
      readonly file: number;
      /** Bytes `start` up to and without `end` of the file. */
      readonly start: number;
      readonly end: number;
    }
  | { readonly kind: 'cancel'; readonly key: number }
  | { readonly kind: 'stop' };

/** What the thread tells. After `ended` it touches neither socket nor file any more. */
export type SendfileReport =
  | { readonly kind: 'progress'; readonly key: number }
  | { readonly kind: 'ended'; readonly key: number; readonly sent: number; readonly error?: string };

export interface SendfileWorkerData {
  /** An eventfd that is written to after each command. */
  readonly wakeFd: number;
}
