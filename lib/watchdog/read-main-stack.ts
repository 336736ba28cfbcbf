import type { Debugger } from 'node:inspector';

/**
 * Stops the JavaScript of the main thread, for good, and returns its stack with the innermost call first; an empty list where the
 * thread is in native code and has not stopped when `isOverdue`, asked every `interval` milliseconds, says so. To be called
 * in another thread.
 */
export async function readMainStack(isOverdue: () => boolean, interval: number): Promise<readonly string[]> {
  const { Session } = await import('node:inspector');
  const session = new Session();
  const files = new Map<string, string>();
  return await new Promise((resolve) => {
    setInterval(() => isOverdue() && resolve([]), interval);
    session.on('Debugger.scriptParsed', ({ params }) => {
      files.set(params.scriptId, params.url);
    });
    session.on('Debugger.paused', ({ params }) => {
      resolve(params.callFrames.map((frame) => describe(frame, files)));
    });
    session.connectToMainThread();
    session.post('Debugger.enable');
    session.post('Debugger.pause');
  });
}

function describe(
  { functionName, location }: Debugger.CallFrame,
  files: ReadonlyMap<string, string>,
): string {
  const file = files.get(location.scriptId) || 'eval';
  const place = `${file}:${location.lineNumber + 1}:${(location.columnNumber ?? 0) + 1}`;
  return `at ${functionName || '(anonymous)'} (${place})`;
}
