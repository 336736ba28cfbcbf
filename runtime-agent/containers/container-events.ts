import type { EventBus } from '../events/event-bus.ts';
import type { ContainerInfo } from './container-info.ts';

/** Publishes an event of a container with its image, name and labels, as dockerd does. */
export function publishContainerEvent(
  events: EventBus,
  container: ContainerInfo,
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

/** Publishes an event for each volume that a start mounts or an exit unmounts, as dockerd does. */
export function publishVolumeEvents(
  events: EventBus,
  { id, mounts }: ContainerInfo,
  action: 'mount' | 'unmount',
): void {
  for (const { name, destination, propagation, writable } of mounts) {
    if (name === undefined) continue;
    const where = { destination, propagation, 'read/write': String(writable) };
    events.publish({
      type: 'volume',
      action,
      id: name,
      attributes: { container: id, driver: 'local', ...(action === 'mount' ? where : {}) },
    });
  }
}
