import type { Logger } from 'pino';
import type { UploadSessions } from './upload-sessions.ts';

/** An upload that nobody has touched for this long is dropped. */
const IDLE_MS = 24 * 60 * 60 * 1000;
const INTERVAL_MS = 60 * 60 * 1000;

/** Drops abandoned uploads now and every hour until `signal` aborts. Keeps no process alive. */
export function sweepUploads(uploads: UploadSessions, log: Logger, signal: AbortSignal): void {
  const sweep = async () => {
    try {
      const dropped = await uploads.dropIdle(new Date(Date.now() - IDLE_MS), signal);
      if (dropped > 0) log.info({ dropped }, 'abandoned uploads were dropped');
    } catch (error) {
      if (!signal.aborted) log.error({ err: error }, 'abandoned uploads could not be dropped');
    }
  };
  const timer = setInterval(sweep, INTERVAL_MS);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  void sweep();
}
