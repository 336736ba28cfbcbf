/** A span as others refer to it (W3C Trace Context). */
export interface SpanContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  readonly sampled: boolean;
}

export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** A piece of work that has ended. Texts hold no secrets: they go to another server. */
export interface EndedSpan {
  readonly name: string;
  readonly kind: 'client' | 'internal' | 'server';
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly attributes: SpanAttributes;
  /** Why it failed; '' for a failure without a message. */
  readonly error?: string | undefined;
}

/** Work that is measured as a span. */
export type SpanStart = Pick<EndedSpan, 'name' | 'kind' | 'attributes'>;

/** Records spans. No method throws or waits. */
export interface Tracer {
  /** Reports whether a span would be sent, and counts it as dropped otherwise: under load most spans are. */
  accepts(): boolean;
  /** Records a span that ran within no other here; `traceparent` is the header of the request that it is about. */
  record(span: EndedSpan, traceparent: string | undefined): void;
  /** Makes the context of a span that `recordAs` records later: within `parent`, or as a new trace. */
  begin(parent?: SpanContext): SpanContext;
  /** Records a span whose context `begin` has made; `parent` is the ID of the span around it. */
  recordAs(context: SpanContext, span: EndedSpan, parent?: string): void;
  /** Runs work as a span: within `parent`, otherwise within the current span, otherwise as a new trace. */
  run<Result>(span: SpanStart, work: () => Promise<Result>, parent?: SpanContext): Promise<Result>;
  /** Runs work within a span that is recorded elsewhere. */
  within<Result>(parent: SpanContext, work: () => Result): Result;
  /** The span in which the caller runs. */
  readonly current: SpanContext | undefined;
  /** Sends what is left, for at most two seconds. */
  close(): Promise<void>;
}

let installed: Tracer | undefined;

/** Returns the tracer of this process; undefined when traces are off. */
export function tracer(): Tracer | undefined {
  return installed;
}

/** Sets the tracer of this process. */
export function installTracer(tracer: Tracer | undefined): void {
  installed = tracer;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.{0,200})?$/;

/** Parses a traceparent header (W3C Trace Context, section 3.2); undefined if it is absent or invalid. */
export function parseTraceparent(text: string | undefined): SpanContext | undefined {
  if (text === undefined || text.length < 55) return undefined;
  const [, version = 'ff', traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(text) ?? [];
  if (version === 'ff' || (version === '00' && text.length > 55)) return undefined;
  if (/^0*$/.test(traceId) || /^0*$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Formats a traceparent header. */
export function formatTraceparent({ traceId, spanId, sampled }: SpanContext): string {
  return `00-${traceId}-${spanId}-0${sampled ? 1 : 0}`;
}

/** Runs work as a span if traces are on. */
export function traced<Result>(
  span: SpanStart,
  work: () => Promise<Result>,
  parent?: SpanContext,
): Promise<Result> {
  return installed === undefined ? work() : installed.run(span, work, parent);
}
