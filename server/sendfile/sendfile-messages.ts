/** What the main thread tells the thread that sends. Descriptors of sockets and sources become the thread's own. */
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
  | {
      readonly kind: 'relay';
      readonly key: number;
      readonly socket: number;
      /** A connection from which the bytes come. */
      readonly source: number;
      readonly length: number;
      /** Milliseconds for which the source may give nothing while it is waited for. */
      readonly silence: number;
    }
  | { readonly kind: 'cancel'; readonly key: number }
  | { readonly kind: 'stop' };

/** Why a body was not sent whole, and whose fault that is. */
export interface SendingFault {
  readonly side: 'source' | 'client';
  readonly message: string;
}

/** What the thread tells. After `ended` it touches neither socket nor file any more. */
export type SendfileReport =
  | { readonly kind: 'progress'; readonly key: number }
  | { readonly kind: 'ended'; readonly key: number; readonly sent: number; readonly fault?: SendingFault };

export interface SendfileWorkerData {
  /** An eventfd that is written to after each command. */
  readonly wakeFd: number;
}
