import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Attachment, OutputStream } from '../containers.ts';
import { ExecOutput } from './exec-output.ts';

/** The agent's ends of a command's streams. */
export interface ExecEnds {
  readonly stdin: Writable | undefined;
  readonly outputs: readonly { readonly name: OutputStream; readonly stream: Readable }[];
  /** A terminal takes no end of input. */
  readonly tty: boolean;
}

/** A client at a command's streams; `ended` settles when the command has ended and that is recorded. */
export function attachToExec({ stdin, outputs, tty }: ExecEnds, ended: Promise<void>): Attachment {
  const output = new ExecOutput(outputs, ended);
  const endInput = () => {
    if (!tty) stdin?.end();
  };
  return {
    output,
    write: async (data) => {
      if (stdin === undefined || stdin.destroyed || stdin.writableEnded) return;
      if (stdin.write(data)) return;
      await Promise.race([once(stdin, 'drain'), once(stdin, 'close')]);
    },
    endInput,
    close: () => {
      output.abandon();
      endInput();
    },
  };
}

/** What the client of a command that could not be started gets: why not, as dockerd writes it. */
export function failedExec(message: string): Attachment {
  return {
    output: (async function* () {
      yield { stream: 'stdout' as const, data: Buffer.from(`${message}\r\n`) };
    })(),
    write: async () => undefined,
    endInput: () => undefined,
    close: () => undefined,
  };
}
