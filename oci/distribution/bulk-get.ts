import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { http } from '../../lib/http/node-http.ts';
import { trimOf } from '../../lib/pattern/trim.ts';

export interface BulkRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Trusted certificates for `https:`; undefined accepts any. */
  readonly trusted?: SecureContext;
  /** Milliseconds of silence before the end of the headers after which the connection counts as dead. */
  readonly timeout: number;
  /** Maximum milliseconds from the connection to the end of the headers. */
  readonly headTimeout: number;
  readonly signal: AbortSignal;
}

const END_OF_HEAD = '\r\n\r\n';

/**
 * GETs a large body, as a BulkBody, over a connection of its own. Returns undefined when readResponseHead does not
 * accept the answer: the caller then has to repeat the request another way. Rejects as the connection does, and with
 * the signal's reason.
 */
export async function bulkGet(
  request: BulkRequest,
): Promise<(ResponseHead & { readonly body: ResponseBody }) | undefined> {
  const { url, headers, signal, timeout, headTimeout } = request;
  signal.throwIfAborted();
  const lines = Object.entries({ host: url.host, ...headers, connection: 'close' }).map(([name, value]) => {
    http.validateHeaderValue(name, value);
    return `${name}: ${value}\r\n`;
  });
  const body = new BulkBody();
  const head = Promise.withResolvers<number>();
  let hasHead = false;
  const socket = open(request, {
    buffer: () => body.room,
    callback: (count) => {
      const hasRoom = body.took(count);
      if (hasHead) return hasRoom;
      const end = body.received.indexOf(END_OF_HEAD);
      if (end === -1 && hasRoom) return true;
      hasHead = true;
      head.resolve(end);
      // Stop reading until the head has been parsed.
      return false;
    },
  });
  const abort = () => socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', abort));
  const failed = (error: Error) => head.reject(signal.aborted ? signal.reason : error);
  const closed = () => failed(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }));
  socket.on('error', failed).on('close', closed);
  const giveUp = (after: number) => socket.destroy(new Error(`no answer for ${after / 1000} seconds`));
  socket.setTimeout(timeout, () => giveUp(timeout));
  const late = setTimeout(() => giveUp(headTimeout), headTimeout);
  socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
  const end = await head.promise.finally(() => clearTimeout(late));
  socket.setTimeout(0);
  const read = end === -1 ? undefined : readResponseHead(body.received.toString('latin1', 0, end));
  if (read === undefined) {
    socket.destroy();
    return undefined;
  }
  body.begin(socket, end + END_OF_HEAD.length, read.length);
  return { ...read, body };
}

function open({ url, trusted }: BulkRequest, onread: OnReadOpts): Socket {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (url.protocol !== 'https:') return connect({ host, port: Number(url.port || 80), onread });
  // Loaded at its first use: an agent may use only plain registries.
  return process.getBuiltinModule('node:tls').connect({
    host,
    port: Number(url.port || 443),
    ...(isIP(host) === 0 && { servername: host }),
    ...(trusted === undefined ? { rejectUnauthorized: false } : { secureContext: trusted }),
    // Missing from its types, though documented.
    ...{ onread },
  });
}

/** Size of a receive block, bytes. */
export const BULK_BLOCK = 256 << 10;

/**
 * One block fills while another is read; the third takes bytes that TLS has already decrypted when the connection
 * pauses.
 */
const BLOCKS = 3;

/** A body that has not been read yet. */
export interface ResponseBody extends AsyncIterable<Buffer> {
  /** Closes the connection; a pending read fails with `error`. */
  destroy(error?: Error): unknown;
}

interface Block {
  readonly bytes: Buffer;
  filled: number;
  /** Number of pieces that the reader still uses. */
  unread: number;
}

/** Received bytes of a block. */
interface Piece {
  readonly block: Block;
  readonly start: number;
  end: number;
}

/**
 * A body of known length, received into a few blocks that are reused: Node's way, a new buffer for each read, costs
 * more than receiving the bytes. A chunk is valid until the reader requests the next one. Fails with ECONNRESET, as
 * Node's streams do, when the connection ends before the body.
 */
export class BulkBody implements ResponseBody {
  readonly #first = newBlock();
  readonly #blocks = [this.#first];
  /** The block that the connection writes to. */
  #filling = this.#first;
  /** Unread pieces, oldest first. */
  #pieces: Piece[] = [];
  /** Whether the connection is paused. */
  #isWaiting = false;
  #toCome = Number.POSITIVE_INFINITY;
  #toGive = 0;
  #socket: Socket | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  /**
   * The buffer for the connection's next bytes. It is read after each `took`, even when the connection is paused: bytes
   * that TLS has already decrypted still arrive.
   */
  get room(): Buffer {
    if (this.#filling.filled === BULK_BLOCK) this.#filling = this.#freeBlock();
    return this.#filling.bytes.subarray(this.#filling.filled);
  }

  /** The bytes received before `begin`. */
  get received(): Buffer {
    return this.#first.bytes.subarray(0, this.#first.filled);
  }

  /** Records bytes written to `room`, and returns whether the connection may continue. */
  took(count: number): boolean {
    const block = this.#filling;
    const start = block.filled;
    const wanted = Math.min(count, this.#toCome);
    block.filled += wanted;
    this.#toCome -= wanted;
    const last = this.#pieces.at(-1);
    if (last?.block === block && last.end === start) last.end = block.filled;
    else if (wanted > 0) this.#add({ block, start, end: block.filled });
    this.#wake?.();
    if (this.#toCome === 0) return false;
    this.#isWaiting ||= !this.#hasRoom();
    return !this.#isWaiting;
  }

  /** Starts the body: the first `head` received bytes are the head of the answer, and the body has `length` bytes. */
  begin(socket: Socket, head: number, length: number): void {
    this.#socket = socket;
    this.#toGive = length;
    let skipped = head;
    let left = length;
    const pieces = this.#pieces;
    this.#pieces = [];
    for (const { block, start, end } of pieces) {
      block.unread -= 1;
      const from = Math.min(end, start + skipped);
      skipped -= from - start;
      const to = Math.min(end, from + left);
      left -= to - from;
      if (to > from) this.#add({ block, start: from, end: to });
    }
    this.#toCome = left;
    this.#isWaiting = left > 0 && !this.#hasRoom();
    socket.on('error', (error) => this.#fail(error)).on('close', () => this.#fail(closedEarly()));
    if (socket.destroyed) this.#fail(closedEarly());
    else if (this.#toCome > 0 && !this.#isWaiting) socket.resume();
  }

  destroy(error?: Error): void {
    this.#fail(error ?? closedEarly());
    this.#socket?.destroy();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      while (this.#toGive > 0) {
        const { block, start, end } = await this.#next();
        this.#toGive -= end - start;
        yield block.bytes.subarray(start, end);
        this.#release(block);
      }
    } finally {
      this.destroy();
    }
  }

  async #next(): Promise<Piece> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) return piece;
      if (this.#failure !== undefined) throw this.#failure.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #add(piece: Piece): void {
    this.#pieces.push(piece);
    piece.block.unread += 1;
  }

  /** Releases a piece; a block without unread pieces can be reused. */
  #release(block: Block): void {
    block.unread -= 1;
    if (!this.#isWaiting || !this.#hasRoom()) return;
    this.#isWaiting = false;
    this.#socket?.resume();
  }

  /** Returns whether a block remains free if another one fills before the connection has paused. */
  #hasRoom(): boolean {
    const used = this.#blocks.filter((block) => block === this.#filling || block.unread > 0).length;
    return BLOCKS - used >= (this.#filling.filled < BULK_BLOCK ? 1 : 2);
  }

  #freeBlock(): Block {
    const free = this.#blocks.find((block) => block !== this.#filling && block.unread === 0);
    if (free !== undefined) {
      free.filled = 0;
      return free;
    }
    const made = newBlock();
    this.#blocks.push(made);
    return made;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }
}

function newBlock(): Block {
  return { bytes: Buffer.allocUnsafeSlow(BULK_BLOCK), filled: 0, unread: 0 };
}

function closedEarly(): Error {
  return Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
}

/** The headers of an answer whose body has exactly the stated length. */
interface ResponseHead {
  readonly status: number;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body. */
  readonly length: number;
}

const STATUS_LINE = /^HTTP\/1\.1 (200|206|30[12378])(?: [^\r\n]*)?$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9a-z-]+):(.*)$/i;

/**
 * Parses the headers of an answer to GET, without the final empty line (RFC 9112, sections 4 to 6). Returns undefined
 * unless it is a plain success or redirect: errors and answers with another coding or framing need an HTTP client.
 */
export function readResponseHead(text: string): ResponseHead | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const status = Number(STATUS_LINE.exec(first)?.[1]);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name, written = ''] = HEADER.exec(line) ?? [];
    const value = trimOf(written, ' \t');
    // A header with two different values is ambiguous.
    if (name === undefined || (headers[name.toLowerCase()] ?? value) !== value) return undefined;
    headers[name.toLowerCase()] = value;
  }
  const { 'content-length': length = '' } = headers;
  const isCoded =
    'transfer-encoding' in headers || (headers['content-encoding'] ?? 'identity') !== 'identity';
  if (Number.isNaN(status) || isCoded || !/^\d{1,15}$/.test(length)) return undefined;
  return { status, headers, length: Number(length) };
}
