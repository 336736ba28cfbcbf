import type { TransferControl, TransferReport } from '../transfer-thread.ts';

/** Starts a transfer. The thread takes ownership of the descriptors of sockets and sources. */
export type SendfileBegin =
  | {
      readonly kind: 'send';
      readonly key: number;
      readonly socket: number;
      readonly file: number;
      /** Bytes from `start` up to but excluding `end`. */
      readonly start: number;
      readonly end: number;
    }
  | {
      readonly kind: 'relay';
      readonly key: number;
      readonly socket: number;
      /** The connection that supplies the bytes. */
      readonly source: number;
      readonly length: number;
      /** Maximum milliseconds of silence of the source. */
      readonly silence: number;
    };

export type SendfileCommand = SendfileBegin | TransferControl;

/** Why a body was not sent completely, and which side failed. */
export interface SendingFault {
  readonly side: 'source' | 'client';
  readonly message: string;
}

/** After `ended` the thread no longer uses the socket and the file. */
export type SendfileReport = TransferReport<{ readonly sent: number; readonly fault?: SendingFault }>;

export interface SendfileWorkerData {
  /** An eventfd that is written to after each command. */
  readonly wakeFd: number;
}
