type Output = NodeJS.WriteStream;

/**
 * Has a program whose reader has seen enough, such as `head`, go on without output instead of failing. Other errors are thrown,
 * unless somebody else listens for them.
 */
export function tolerateClosedOutput(): void {
  for (const output of [process.stdout, process.stderr]) {
    output.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && output.listenerCount('error') === 1) throw error;
    });
  }
}

/** Writes to an output of this program; resolves when it takes more, so that a slow reader costs no memory, or is closed. */
export async function writeOutput(output: Output, text: string): Promise<void> {
  if (output.write(text) || output.destroyed) return;
  await new Promise<void>((resolve) => {
    const end = () => {
      output.off('drain', end).off('close', end);
      resolve();
    };
    output.once('drain', end).once('close', end);
  });
}

/** Resolves when readers have taken all that was written, or have gone: process.exit() drops what a pipe has not taken. */
export async function flushOutput(): Promise<void> {
  await Promise.all(
    [process.stdout, process.stderr].map(
      (output) =>
        new Promise<void>((resolve) => {
          if (output.writableLength === 0 || output.destroyed) resolve();
          else {
            output.once('close', resolve);
            output.write('', () => resolve());
          }
        }),
    ),
  );
}
