import type { Observations } from '../../lib/metrics/metric.ts';
import type { MetricSet } from '../../lib/metrics/metric-set.ts';
import type { EndedRequest } from '../request-recorder.ts';

/** Seconds: from an answer out of memory to a layer of gigabytes. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** Methods that a label may name: clients can send any word. */
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Counts requests in `set`; the function that it answers is to be called for each that has ended. */
export function countRequests(set: MetricSet): (request: Omit<EndedRequest, 'path' | 'user'>) => void {
  const requests = set.counter({
    name: 'berth_http_requests_total',
    help: 'Requests that have ended, by method, route and status.',
  });
  const times = set.histogram(
    {
      name: 'berth_http_request_duration_seconds',
      help: 'Time from the head of a request to the end of its answer, by method and route.',
    },
    SECONDS,
  );
  const received = set
    .counter({ name: 'berth_http_received_bytes_total', help: 'Bytes received, heads included.' })
    .with();
  const sent = set
    .counter({ name: 'berth_http_sent_bytes_total', help: 'Bytes sent, heads included.' })
    .with();
  const known = new Map<string, { readonly count: { value: number }; readonly time: Observations }>();
  return ({ method: asked, route, status, seconds, bytesIn, bytesOut }) => {
    const key = `${asked} ${status} ${route}`;
    let series = known.get(key);
    if (series === undefined) {
      const method = METHODS.includes(asked) ? asked : 'other';
      series = {
        count: requests.with({ method, route, status: String(status) }),
        time: times.with({ method, route }),
      };
      // Node's parser takes a fixed list of methods, so the keys are bounded as the labels are.
      known.set(key, series);
    }
    series.count.value += 1;
    series.time.observe(seconds);
    received.value += bytesIn;
    sent.value += bytesOut;
  };
}
