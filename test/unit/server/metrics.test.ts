import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { test } from 'node:test';
import { METRICS_TYPE, MetricSet } from '../../../lib/metrics/metric-set.ts';
import { startMetricsServer } from '../../../lib/metrics/metrics-server.ts';
import { exposeStorage } from '../../../server/metrics/storage-metrics.ts';
import { countRequests } from '../../../server/request-recorder.ts';
import { makeCertificate } from '../../support/certificates.ts';
import { defer } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { connectRaw } from '../../support/raw-connection.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

test('counters, gauges and histograms in the text format of Prometheus', () => {
  const set = new MetricSet();
  const counter = set.counter({ name: 'pushes_total', help: 'Pushes.' });
  counter.with({ path: 'a"b\\c\nd' }).value += 2;
  counter.with({ path: 'a"b\\c\nd' }).value += 1;
  set.gauge({ name: 'open', help: 'Open.' }, () => 7);
  const times = set.histogram({ name: 'seconds', help: 'Time.' }, [0.1, 1]).with({ route: 'x' });
  for (const value of [0.1, 0.5, 30]) times.observe(value);
  assert.equal(
    set.expose(),
    [
      '# HELP pushes_total Pushes.',
      '# TYPE pushes_total counter',
      'pushes_total{path="a\\"b\\\\c\\nd"} 3',
      '# HELP open Open.',
      '# TYPE open gauge',
      'open 7',
      '# HELP seconds Time.',
      '# TYPE seconds histogram',
      'seconds_bucket{route="x",le="0.1"} 1',
      'seconds_bucket{route="x",le="1"} 2',
      'seconds_bucket{route="x",le="+Inf"} 3',
      'seconds_sum{route="x"} 30.6',
      'seconds_count{route="x"} 3',
      '',
    ].join('\n'),
  );
});

test('requests are counted by method, route and status; words that clients make up become one label', () => {
  const set = new MetricSet();
  const count = countRequests(set);
  const request = { method: 'GET', route: '/v2/', status: 200, seconds: 0.001, bytesIn: 10, bytesOut: 20 };
  count(request);
  count(request);
  count({ ...request, method: 'PROPFIND', status: 405 });
  const text = set.expose();
  assert.match(text, /^berth_http_requests_total\{method="GET",route="\/v2\/",status="200"\} 2$/m);
  assert.match(text, /^berth_http_requests_total\{method="other",route="\/v2\/",status="405"\} 1$/m);
  assert.match(text, /^berth_http_sent_bytes_total 60$/m);
});

test('numbers that cannot be read for a scrape are left out, and are there again when they can', async () => {
  const set = new MetricSet();
  let isAway = false;
  set.sampled({ size: { name: 'size', help: 'Size.' } }, async () => {
    if (isAway) throw new Error('the database is away');
    return { size: [{ labels: { of: 'a' }, value: 1 }, { value: 2 }] };
  });
  const there = '# HELP size Size.\n# TYPE size gauge\nsize{of="a"} 1\nsize 2\n';
  assert.equal(await set.collect(), there);
  isAway = true;
  assert.equal(await set.collect(), '# HELP size Size.\n# TYPE size gauge\n');
  isAway = false;
  assert.equal(await set.collect(), there);
});

test('the end of the certificate is told, as of the one that is in use', async (t) => {
  const set = new MetricSet();
  const folder = await makeTempDir(t, 'certificate');
  const { certificate } = await makeCertificate(folder);
  let pem: string | undefined = await readFile(certificate, 'utf8');
  exposeStorage(set, {
    data: folder,
    browse: { sum: async () => ({ repositories: 3, size: 4 }) },
    readOnly: false,
    certificate: () => pem,
  });
  const [, ends] = /^berth_certificate_expiry_time_seconds ([\d.e+]+)$/m.exec(await set.collect()) ?? [];
  const days = (Number(ends) * 1000 - Date.now()) / 86_400_000;
  assert.ok(days > 1 && days <= 2, `${days} days`);
  pem = undefined;
  assert.doesNotMatch(await set.collect(), /^berth_certificate_expiry_time_seconds/m);
});

test('the metrics listener answers /metrics and nothing else', async (t) => {
  const set = new MetricSet();
  set.gauge({ name: 'open', help: 'Open.' }, () => 7);
  const server = await startMetricsServer(set, { host: '127.0.0.1', port: 0 });
  defer(t, () => server.close());
  const answer = await fetch(`http://127.0.0.1:${server.port}/metrics`);
  assert.equal(answer.headers.get('content-type'), METRICS_TYPE);
  assert.match(await answer.text(), /^open 7$/m);
  const other = await fetch(`http://127.0.0.1:${server.port}/v2/`);
  assert.equal(other.status, 404);
  await other.arrayBuffer();
  for (const [request, status] of [
    ['GET /metrics HTTP/1.1\r\nHost: r\r\n', 200],
    ['GET /metrics HTTP/1.1\r\n', 200],
    ['GET /metrics HTTP/1.1\r\nHost: r\r\nExpect: nonsense\r\n', 200],
    ['POST /metrics HTTP/1.1\r\nHost: r\r\n', 405],
    ['GET /metrics HTTP/1.1\r\nHost : r\r\n', 400],
    [`GET /metrics HTTP/1.1\r\nHost: r\r\nX-Long: ${'a'.repeat(20_000)}\r\n`, 400],
  ] as const) {
    const connection = await connectRaw(t, server.port);
    connection.write(`${request}Connection: close\r\n\r\n`);
    await connection.waitFor(new RegExp(`^HTTP/1\\.1 ${status} .*x-content-type-options: nosniff\r\n`, 'is'));
  }
});

test('clients that send no whole request do not keep monitoring out', async (t) => {
  const server = await startMetricsServer(new MetricSet(), { host: '127.0.0.1', port: 0 });
  defer(t, () => server.close());
  await Promise.all(
    Array.from({ length: 64 }, async () => {
      const socket = connect(server.port, '127.0.0.1');
      defer(t, () => void socket.destroy());
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n');
    }),
  );
  await eventually('monitoring is answered', async () => {
    const answer = await fetch(`http://127.0.0.1:${server.port}/metrics`).catch(() => undefined);
    return answer?.status === 200 ? true : undefined;
  });
});
