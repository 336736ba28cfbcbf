import type { TransferControl, TransferReport } from '../transfer-thread.ts';

/** A transfer for the thread that sends. Descriptors of sockets and sources become the thread's own. */
export type SendfileBegin =
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
    };

export type SendfileCommand = SendfileBegin | TransferControl;

/** Why a body was not sent whole, and whose fault that is. */
export interface SendingFault {
  readonly side: 'source' | 'client';
  readonly message: string;
}

/** After `ended` the thread touches neither socket nor file any more. */
export type SendfileReport = TransferReport<{ readonly sent: number; readonly fault?: SendingFault }>;

export interface SendfileWorkerData {
  /** An eventfd that is written to after each command. */
  readonly wakeFd: number;
}
