import { AsyncLocalStorage } from 'node:async_hooks';
import { randomFillSync } from 'node:crypto';
import type { Sampler } from './sampler.ts';
import { type ExporterOptions, SpanExporter } from './span-exporter.ts';
import { type EndedSpan, parseTraceparent, type SpanContext, type SpanStart, type Tracer } from './trace.ts';

/** Random bytes for IDs, made many at a time. */
const POOL = Buffer.alloc(4096);
let used = POOL.length;

/** Random hexadecimal digits of an ID of `bytes` bytes, which are never all zero. */
function randomId(bytes: 8 | 16): string {
  for (;;) {
    if (used + bytes > POOL.length) {
      randomFillSync(POOL);
      used = 0;
    }
    const id = POOL.toString('hex', used, used + bytes);
    used += bytes;
    if (!/^0*$/.test(id)) return id;
  }
}

/** Creates a tracer that sends spans to an OpenTelemetry collector. */
export function openTelemetry(sampler: Sampler, options: ExporterOptions): Tracer {
  const exporter = new SpanExporter(options);
  const running = new AsyncLocalStorage<SpanContext>();

  const contextIn = (parent?: SpanContext): SpanContext => {
    const traceId = parent?.traceId ?? randomId(16);
    return { traceId, spanId: randomId(8), sampled: sampler(traceId, parent) };
  };

  return {
    get current() {
      return running.getStore();
    },
    accepts() {
      if (exporter.isFull) exporter.drop();
      return !exporter.isFull;
    },
    begin: contextIn,
    record(span: EndedSpan, traceparent: string | undefined) {
      const parent = parseTraceparent(traceparent);
      const context = contextIn(parent);
      if (context.sampled) exporter.add({ context, parent: parent?.spanId, span });
    },
    recordAs(context, span, parent) {
      if (context.sampled) exporter.add({ context, parent, span });
    },
    within: (parent, work) => running.run(parent, work),
    async run<Result>(started: SpanStart, work: () => Promise<Result>, given?: SpanContext) {
      const parent = given ?? running.getStore();
      const context = contextIn(parent);
      const start = now();
      const end = (error?: string) => {
        if (!context.sampled) return;
        const span = { ...started, start, end: now(), error };
        exporter.add({ context, parent: parent?.spanId, span });
      };
      try {
        const result = await running.run(context, work);
        end();
        return result;
      } catch (error) {
        // Its message may name more than a span should.
        end(error instanceof Error ? error.name : '');
        throw error;
      }
    },
    close: () => exporter.close(),
  };
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
