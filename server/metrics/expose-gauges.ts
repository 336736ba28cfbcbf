import type { MetricSet } from '../../lib/metrics/metric-set.ts';
import { exposeProcess } from '../../lib/metrics/process-metrics.ts';
import type { EventFeed } from '../events/event-feed.ts';
import type { HttpServer } from '../http/http-server.ts';
import type { AnswerCache } from '../registry/answer-cache.ts';
import type { UploadSessions } from '../registry/upload-sessions.ts';

/** The current numbers of a registry's parts. */
export interface GaugedParts {
  readonly answers: AnswerCache;
  readonly feed: Pick<EventFeed, 'size'>;
  readonly server: HttpServer;
  readonly uploads: UploadSessions;
  /** Earlier processes that the watchdog has ended. */
  readonly watchdogEnds: number;
}

export function exposeGauges(set: MetricSet, parts: GaugedParts): void {
  const { answers, feed, server, uploads, watchdogEnds } = parts;
  set.gauge(
    { name: 'berth_http_requests_running', help: 'Requests that have not ended.' },
    () => server.running,
  );
  set.gauge({ name: 'berth_event_readers', help: 'Streams of events that are open.' }, () => feed.size);
  set.gauge(
    { name: 'berth_uploads_active', help: 'Uploads that a request is writing to now.' },
    () => uploads.active,
  );
  set.gauge(
    { name: 'berth_answer_cache_hits_total', help: 'Manifests and lists answered from memory.' },
    () => answers.hits,
    'counter',
  );
  set.gauge(
    {
      name: 'berth_answer_cache_misses_total',
      help: 'Manifests and lists that needed a query of the catalog.',
    },
    () => answers.misses,
    'counter',
  );
  set.gauge({ name: 'berth_answer_cache_bytes', help: 'Bytes of answers in memory.' }, () => answers.size);
  set.gauge(
    {
      name: 'berth_watchdog_ends_total',
      help: 'Processes that the watchdog has ended because their event loop did not turn.',
    },
    () => watchdogEnds,
    'counter',
  );
  exposeProcess(set);
}
