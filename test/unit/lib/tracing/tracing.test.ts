import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { openTelemetry } from '../../../../lib/tracing/open-telemetry.ts';
import { samplerOf } from '../../../../lib/tracing/sampler.ts';
import { readTraceConfig } from '../../../../lib/tracing/start-tracing.ts';
import { formatTraceparent, parseTraceparent, type Tracer } from '../../../../lib/tracing/trace.ts';
import { defer } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { startOtlpReceiver } from '../../../support/otlp-receiver.ts';

const TRACE = '0123456789abcdef0123456789abcdef';
const SPAN = '0123456789abcdef';
const ENDED = { name: 'work', kind: 'internal', start: 1000, end: 1001.5, attributes: {} } as const;

function tracerTo(t: TestContext, url: string, sampler = samplerOf()): Tracer & { complaints: string[] } {
  const complaints: string[] = [];
  const tracer = openTelemetry(sampler, {
    url: new URL('/v1/traces', url),
    headers: {},
    resource: { 'service.name': 'test' },
    complain: (sentence) => complaints.push(sentence),
  });
  defer(t, () => tracer.close());
  return Object.assign(tracer, { complaints });
}

test('traceparent is taken as W3C Trace Context has it', () => {
  const context = { traceId: TRACE, spanId: SPAN, sampled: true };
  assert.deepEqual(parseTraceparent(`00-${TRACE}-${SPAN}-01`), context);
  assert.equal(formatTraceparent(context), `00-${TRACE}-${SPAN}-01`);
  assert.equal(parseTraceparent(`00-${TRACE}-${SPAN}-00`)?.sampled, false);
  // Later versions may have more.
  assert.deepEqual(parseTraceparent(`01-${TRACE}-${SPAN}-03-more`), context);
  for (const wrong of [
    ...[undefined, '', 'x'.repeat(10_000), `ff-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01-more`],
    ...[
      `00-${'0'.repeat(32)}-${SPAN}-01`,
      `00-${TRACE}-${'0'.repeat(16)}-01`,
      `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    ],
  ]) {
    assert.equal(parseTraceparent(wrong), undefined, String(wrong));
  }
});

test('samplers decide by the trace, or by the caller', () => {
  const parent = { traceId: TRACE, spanId: SPAN, sampled: true };
  const other = { ...parent, sampled: false };
  const low = `${'f'.repeat(18)}${'0'.repeat(14)}`;
  const high = 'f'.repeat(32);
  const decisions = (name: string, share?: string) => {
    const sampler = samplerOf(name, share);
    return [sampler(low, undefined), sampler(high, undefined), sampler(high, parent), sampler(low, other)];
  };
  assert.deepEqual(decisions('always_on'), [true, true, true, true]);
  assert.deepEqual(decisions('always_off'), [false, false, false, false]);
  assert.deepEqual(decisions('traceidratio', '0.5'), [true, false, false, true]);
  assert.deepEqual(decisions('parentbased_always_on'), [true, true, true, false]);
  assert.deepEqual(decisions('parentbased_always_off'), [false, false, true, false]);
  assert.deepEqual(decisions('parentbased_traceidratio', '0.5'), [true, false, true, false]);
  for (const wrong of ['2', '-1', 'x', ''])
    assert.throws(() => samplerOf('traceidratio', wrong), /share of traces/);
  assert.throws(() => samplerOf('sometimes'), /choose one of always_on/);
});

test('settings: off without an endpoint; headers are decoded, and never shown in an error', () => {
  assert.equal(readTraceConfig({ traceSampler: 'sometimes' }), undefined);
  const config = readTraceConfig({ otlpEndpoint: 'http://host:4318/base', otlpHeaders: 'A=b%20c, d=e=' });
  assert.equal(config?.url.href, 'http://host:4318/base/v1/traces');
  assert.deepEqual(config?.headers, { a: 'b c', d: 'e=' });
  const wrong = { otlpEndpoint: 'http://host', otlpHeaders: 'a-secret' };
  assert.throws(
    () => readTraceConfig(wrong),
    (error: Error) => !error.message.includes('a-secret'),
  );
  assert.throws(() => readTraceConfig({ otlpEndpoint: 'host:4318' }), /http:\/\/HOST:4318/);
});

test('spans arrive within each other, with bounded texts', async (t) => {
  const collector = await startOtlpReceiver(t);
  const tracer = tracerTo(t, collector.url);
  const parent = { traceId: TRACE, spanId: SPAN, sampled: true };
  const work = tracer.run(
    { name: 'outer', kind: 'internal', attributes: { long: 'x'.repeat(10_000), none: undefined } },
    () =>
      tracer.run({ name: 'inner', kind: 'client', attributes: {} }, () =>
        Promise.reject(new RangeError('secret')),
      ),
    parent,
  );
  await assert.rejects(work, /secret/);
  await tracer.close();
  const [inner, outer] = collector.spans;
  assert.deepEqual([outer?.traceId, outer?.parentSpanId, inner?.parentSpanId], [TRACE, SPAN, outer?.spanId]);
  assert.equal(outer?.attributes.long?.length, 256);
  assert.equal(collector.requests[0]?.body.includes('secret'), false);
  assert.equal(tracer.current, undefined);
});

test('a collector that fails or hangs loses spans, and nothing else', async (t) => {
  for (const status of [503, undefined]) {
    const collector = await startOtlpReceiver(t, status);
    const tracer = tracerTo(t, collector.url);
    tracer.record(ENDED, undefined);
    await eventually('it was asked', () => collector.requests.length > 0 || undefined);
    for (let count = 0; count < 5000; count += 1) tracer.record(ENDED, undefined);
    assert.equal(tracer.accepts(), false);
    await tracer.close();
    assert.match(tracer.complaints.join(), status === 503 ? /answers 503/ : /cannot be sent|lost/);
  }
  const nowhere = tracerTo(t, 'http://127.0.0.1:1');
  nowhere.record(ENDED, undefined);
  await nowhere.close();
  assert.match(nowhere.complaints.join(), /ECONNREFUSED/);
});

test('a collector that does not speak the protocol loses spans, and the end waits for none', async (t) => {
  for (const answer of [
    '',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    'HTTP/1.1 500 Half\r\nContent-Length: 100\r\n\r\nx',
    'SSH-2.0-OpenSSH_10.0\r\n',
  ]) {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => (answer === '' ? socket.destroy() : socket.write(answer)));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    defer(t, () => void server.close());
    const tracer = tracerTo(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    tracer.record(ENDED, undefined);
    await tracer.close();
    assert.match(tracer.complaints.join(), /^traces cannot be sent: .*; 1 span is lost$/, answer);
  }
});
