import { setTimeout as delay } from 'node:timers/promises';
import type { Router } from '@koa/router';
import { createAsyncQueue } from '../../../lib/streams/async-queue.ts';
import { EngineError } from '../../errors.ts';
import { charactersOf, type EngineEvent, nanoseconds } from '../../events/event-bus.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { requestSignal } from '../http/connection-end.ts';
import { type Filters, matchLabels, readFilters } from '../http/filters.ts';
import { streamBody } from '../http/json.ts';
import { decodeTimestamp } from '../http/query.ts';

/**
 * Maximum characters of pending events for a slow client, plus EVENT for each. Beyond it the answer ends after those
 * events.
 */
const SLOW_CLIENT = 8 << 20;
/** Weight of an event in addition to the characters of its attributes. */
const EVENT = 800;

/** `GET /events`: stored events from `since` on, then new ones, until `until` or the client leaves. */
export function eventRoutes(router: Router, deps: EngineDeps): void {
  router.get('/events', (ctx) => {
    const query = ctx.URL.searchParams;
    const since = decodeTimestamp(query, 'since');
    const until = decodeTimestamp(query, 'until');
    // dockerd ignores unknown filters of events, and programs send them.
    const filters = readFilters(query, 'any');
    if (since !== undefined && until !== undefined && since > until) {
      throw new EngineError(
        'bad-request',
        `\`since\` time (${query.get('since')}) cannot be after \`until\` time (${query.get('until')})`,
      );
    }
    const signal = requestSignal(ctx.res, deps.stopping);

    async function* messages(): AsyncIterable<string> {
      const queue = createAsyncQueue((event: EngineEvent) => EVENT + charactersOf(event));
      const unsubscribe = deps.events.subscribe((event) => {
        queue.push(event);
        if (queue.weight > SLOW_CLIENT) queue.end();
      });
      // This is synchronous, so no event between the two is lost or repeated.
      const kept = since === undefined ? [] : deps.events.recent(since);
      const end = () => queue.end();
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
      const timer = new AbortController();
      if (until !== undefined) endAt(until, timer.signal).then(end, () => {});
      try {
        for (const event of kept) if (before(event, until) && matches(event, filters)) yield line(event);
        for await (const event of queue) {
          if (before(event, until) && matches(event, filters)) yield line(event);
        }
      } finally {
        timer.abort();
        unsubscribe();
        signal.removeEventListener('abort', end);
      }
    }
    streamBody(ctx, 'application/json', messages());
  });
}

const line = (event: EngineEvent) => `${eventJson(event)}\r\n`;

function before(event: EngineEvent, until: number | undefined): boolean {
  return until === undefined || event.timeNano <= nanoseconds(until);
}

/** Ends at a moment. setTimeout accepts at most 2^31 ms, so a longer wait is split. */
async function endAt(moment: number, signal: AbortSignal): Promise<void> {
  for (let left = moment - Date.now(); left > 0; left = moment - Date.now()) {
    await delay(Math.min(left, 2 ** 31 - 1), undefined, { signal, ref: false });
  }
}

function matches(event: EngineEvent, filters: Filters): boolean {
  const { attributes } = event;
  const any = (key: string, holds: (value: string) => boolean) => filters.get(key)?.some(holds) ?? true;
  const isObject = (type: EngineEvent['type'], value: string) =>
    event.type === type && (event.id.startsWith(value) || attributes.name?.startsWith(value) === true);
  return (
    any('type', (type) => type === event.type) &&
    any('event', (action) => event.action === action || event.action.startsWith(`${action}:`)) &&
    any('container', (value) => isObject('container', value)) &&
    any('volume', (value) => isObject('volume', value)) &&
    any('network', (value) => isObject('network', value)) &&
    any('image', (value) => matchesImage(event, value)) &&
    any('scope', (scope) => scope === 'local') &&
    ['config', 'daemon', 'node', 'plugin', 'secret', 'service'].every((key) => !filters.has(key)) &&
    matchLabels(filters.get('label'), attributes)
  );
}

/** Matches an image by ID or name, with or without its tag; matches a container event by the container's image. */
function matchesImage(event: EngineEvent, value: string): boolean {
  const name = event.type === 'image' ? event.attributes.name : event.attributes.image;
  const names = [event.type === 'image' ? event.id : '', name ?? ''];
  return names.some((text) => text !== '' && (text === value || withoutTag(text) === value));
}

function withoutTag(reference: string): string {
  return reference.replace(/:[^/:]*$/, '');
}

/**
 * Encodes an event (Engine API, SystemEvents), with the older top-level names of containers and images. The result is
 * text since `timeNano` does not fit a JavaScript number.
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
