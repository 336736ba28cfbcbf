import type { EventBus } from '../../events/event-bus.ts';
import type { Container } from '../container.ts';

/** Tells of a container, with its image, name and labels as dockerd does. */
export function publishContainerEvent(
  events: EventBus,
  container: Container,
  action: string,
  more: Readonly<Record<string, string>> = {},
): void {
  events.publish({
    type: 'container',
    action,
    id: container.id,
    attributes: { ...container.config.Labels, ...more, image: container.config.Image, name: container.name },
  });
}
