import type { EngineEvent } from '../../events/event-bus.ts';

/**
 * An event on the wire (Engine API, SystemEvents), with the older top-level names of containers and images.
 * It is text since `timeNano` does not fit a JavaScript number.
 */
export function eventJson(event: EngineEvent): string {
  const legacy =
    event.type === 'container'
      ? { status: event.action, id: event.id, from: event.attributes.image ?? '' }
      : event.type === 'image'
        ? { status: event.action, id: event.id }
        : {};
  const message = JSON.stringify({
    ...legacy,
    Type: event.type,
    Action: event.action,
    Actor: { ID: event.id, Attributes: event.attributes },
    scope: 'local',
    time: Number(event.timeNano / 1_000_000_000n),
  });
  return `${message.slice(0, -1)},"timeNano":${event.timeNano}}`;
}
