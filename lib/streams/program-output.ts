type Output = NodeJS.WriteStream;

/**
 * Ignores a closed output: when a reader such as `head` closes early, the program continues without output instead of
 * failing. Other errors are thrown, unless there is another listener.
 */
export function tolerateClosedOutput(): void {
  for (const output of [process.stdout, process.stderr]) {
    output.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && output.listenerCount('error') === 1) throw error;
    });
  }
}

/**
 * Writes to an output of this program; resolves when it accepts more, so that a slow reader costs no memory, or when it
 * is closed.
 */
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

/**
 * Resolves when readers have consumed all output, or have closed it: process.exit() would drop unread data in a pipe.
 */
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
