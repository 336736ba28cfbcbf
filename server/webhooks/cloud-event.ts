import { randomUUID } from 'node:crypto';
import type { ToldEvent, Webhook } from '../../storage/catalog/webhook-catalog.ts';

/**
 * The media type of events, in the structured mode of CloudEvents over HTTP (CloudEvents 1.0, HTTP binding, section
 * 3.2).
 */
export const CLOUD_EVENT_TYPE = 'application/cloudevents+json; charset=utf-8';

/** An event as JSON (CloudEvents 1.0, JSON format): its source is the repository's path in this registry. */
export function cloudEvent({ id, action, repository, at, ...data }: ToldEvent): string {
  return JSON.stringify({
    specversion: '1.0',
    id,
    source: `/v2/${repository}`,
    type: `berth.${action}`,
    ...((data.tag ?? data.digest) !== undefined && { subject: data.tag ?? data.digest }),
    time: at,
    datacontenttype: 'application/json',
    data: { action, repository, ...data },
  });
}

/** Makes an event that only tests the delivery. */
export function testEvent({ pattern }: Pick<Webhook, 'pattern'>): ToldEvent {
  return {
    id: randomUUID(),
    action: 'test',
    repository: pattern.replaceAll('*', 'test'),
    at: new Date().toISOString(),
    count: 1,
  };
}
