import { postText } from '../http/post-text.ts';
import type { EndedSpan, SpanAttributes, SpanContext } from './trace.ts';

/** Maximum spans that wait, and that are sent in a request; further ones are dropped. */
const QUEUE = 2048;
/** Milliseconds between two requests: they bound the spans of a second, and so the cost of traces under load. */
const INTERVAL = 1000;
/** Milliseconds for an answer. */
const TIMEOUT = 10_000;
/** Milliseconds to send what is left at the end. */
const CLOSING_TIME = 2000;
/** Milliseconds between two complaints. */
const COMPLAINT_INTERVAL = 60_000;
/** Characters of a text. */
const LONGEST_TEXT = 256;

const KINDS = { internal: 1, server: 2, client: 3 } as const;
const FAILED = 2;

/** A span with its place in a trace. */
export interface PlacedSpan {
  readonly context: SpanContext;
  readonly parent: string | undefined;
  readonly span: EndedSpan;
}

export interface ExporterOptions {
  /** The whole URL, such as `http://collector:4318/v1/traces`. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the program: `service.name` and the like. */
  readonly resource: SpanAttributes;
  /** Receives a sentence when spans are lost, at most once a minute. */
  readonly complain: (sentence: string) => void;
}

/** Sends spans as OTLP in JSON over HTTP (OTLP specification, "OTLP/HTTP"), in batches, beside all other work. */
export class SpanExporter {
  readonly #options: ExporterOptions;
  #queue: PlacedSpan[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  /** Aborts when the time to close is over. */
  readonly #end = new AbortController();
  #dropped = 0;
  #complainedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ExporterOptions) {
    this.#options = options;
  }

  /** Whether further spans are dropped. */
  get isFull(): boolean {
    return this.#queue.length >= QUEUE;
  }

  /** Counts a span that its maker has dropped because the queue is full. */
  drop(): void {
    this.#dropped += 1;
  }

  add(span: PlacedSpan): void {
    if (this.isFull) {
      this.drop();
      return;
    }
    this.#queue.push(span);
    this.#plan();
  }

  /** Sends what is left, for at most two seconds. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const late = setTimeout(() => this.#end.abort(), CLOSING_TIME);
    await this.#sending;
    await this.#send();
    clearTimeout(late);
  }

  #plan(): void {
    if (this.#timer !== undefined || this.#sending !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#sending = this.#send().finally(() => {
        this.#sending = undefined;
        if (this.#queue.length > 0) this.#plan();
      });
    }, INTERVAL).unref();
  }

  async #send(): Promise<void> {
    const spans = this.#queue;
    this.#queue = [];
    if (spans.length === 0 || this.#end.signal.aborted) return;
    try {
      await this.#post(JSON.stringify(asRequest(this.#options.resource, spans)));
    } catch (error) {
      this.#dropped += spans.length;
      this.#complain(`traces cannot be sent: ${(error as Error).message}`);
    }
    if (this.#dropped > 0) this.#complain('there were more spans than can be sent');
  }

  #complain(reason: string): void {
    if (performance.now() - this.#complainedAt < COMPLAINT_INTERVAL) return;
    this.#complainedAt = performance.now();
    const lost = this.#dropped === 1 ? '1 span is' : `${this.#dropped} spans are`;
    this.#options.complain(`${reason}; ${lost} lost`);
    this.#dropped = 0;
  }

  async #post(body: string): Promise<void> {
    const { url, headers } = this.#options;
    const status = await postText({
      url,
      headers: { ...headers, 'content-type': 'application/json' },
      body,
      signal: AbortSignal.any([this.#end.signal, AbortSignal.timeout(TIMEOUT)]),
    });
    if (status < 200 || status > 299) throw new Error(`${url.host} answers ${status}`);
  }
}

function asRequest(resource: SpanAttributes, spans: readonly PlacedSpan[]) {
  return {
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [{ scope: { name: 'berth' }, spans: spans.map(asOtlp) }],
      },
    ],
  };
}

function asOtlp({ context, parent, span }: PlacedSpan) {
  const { attributes, end, error, kind, name, start } = span;
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    ...(parent !== undefined && { parentSpanId: parent }),
    name: shortened(name),
    kind: KINDS[kind],
    startTimeUnixNano: nanoseconds(start),
    endTimeUnixNano: nanoseconds(Math.max(start, end)),
    attributes: attributesOf(attributes),
    status: error === undefined ? {} : { code: FAILED, message: shortened(error) },
  };
}

function attributesOf(attributes: SpanAttributes) {
  return Object.entries(attributes).flatMap(([key, value]) => {
    if (value === undefined) return [];
    if (typeof value === 'string') return { key, value: { stringValue: shortened(value) } };
    if (typeof value === 'boolean') return { key, value: { boolValue: value } };
    return { key, value: Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value } };
  });
}

/** Times have microseconds: a double has no more. */
function nanoseconds(milliseconds: number): string {
  return `${Math.round(milliseconds * 1000)}000`;
}

function shortened(text: string): string {
  return text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT - 1)}…`;
}
