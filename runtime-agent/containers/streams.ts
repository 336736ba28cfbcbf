import type { AttachSession } from './attach/attach-session.ts';
import { AttachThreadError } from './attach/attach-thread.ts';
import { publishContainerEvent } from './container-events.ts';
import type { Attachment } from './containers.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';

/** Returns the clients of the present run, or of the next one. */
export function sessionOf(context: ContainerContext, live: LiveContainer): AttachSession {
  const { OpenStdin, StdinOnce, Tty } = live.container.config;
  live.session ??= context.hub.open({ open: OpenStdin, once: StdinOnce && !Tty }, () => live.isAlive);
  return live.session;
}

/** Attaches a client to the present run, or to the next one. See Containers.attach. */
export function attachTo(
  context: ContainerContext,
  live: LiveContainer,
  options: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean },
): Promise<Attachment> {
  // A start in progress holds the mutex, so it has either connected its clients or not begun.
  return live.mutex.run(async () => {
    context.index.find(live.id);
    const session = sessionOf(context, live);
    const attachment = session.join(options);
    if (live.run !== undefined) {
      try {
        await session.connect(live.paths.attach);
      } catch (error) {
        if (error instanceof AttachThreadError) throw error;
        // conmon has just exited: the container has exited, and its output ends.
        context.log.debug({ container: live.id, err: error }, 'a client came too late to be attached');
      }
    }
    publishContainerEvent(context.events, live.container, 'attach');
    return attachment;
  });
}
