import { plainDescriptor } from '../../lib/streams/handle-descriptor.ts';
import type { SocketContent, TakenContent } from '../../storage/blobs/socket-content.ts';
import { expectsContinue, requestBody } from '../http/request-body.ts';
import type { RequestContext } from '../request-context.ts';

/**
 * The body of a request, of any length: a chunk's memory is reused when the next chunk is requested. A body of known
 * length on a plain connection can be taken over from Node; that connection ends with the answer.
 */
export class UploadBody implements SocketContent {
  readonly #ctx: RequestContext;

  constructor(ctx: RequestContext) {
    this.#ctx = ctx;
  }

  get takeable(): number {
    const { req, res } = this.#ctx;
    const chunked = req.headers['transfer-encoding'] !== undefined;
    // An answer that waits for another one on its connection has no socket yet.
    return chunked || plainDescriptor(res.socket) === undefined
      ? 0
      : Number(req.headers['content-length'] ?? 0);
  }

  /**
   * Reads without Node's streams, which allocate each chunk and make the garbage collector scan the whole heap again
   * and again.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const chunk of requestBody(this.#ctx.req, this.#ctx.res)) {
      yield chunk;
      const { buffer } = chunk;
      if (buffer instanceof ArrayBuffer && buffer.byteLength === chunk.byteLength) buffer.transfer(0);
    }
  }

  takeOver(): TakenContent {
    const { req, res, state } = this.#ctx;
    const { socket } = req;
    if (expectsContinue(req) && !res.headersSent) res.writeContinue();
    // Node's parser never sees the end of this request, and would take the next one for more of its body.
    res.setHeader('Connection', 'close');
    let left = this.takeable;
    // Whatever requests more data, Node must not read on: it would do so a little later.
    req._read = () => undefined;
    socket.pause();
    const begun: Uint8Array[] = [];
    for (let chunk = req.read(); chunk !== null; chunk = req.read()) {
      begun.push(chunk);
      left -= chunk.byteLength;
    }
    let missing = left;
    return {
      begun,
      left,
      descriptor: () => plainDescriptor(socket),
      onProgress: () => socket.setTimeout(socket.timeout ?? 0),
      onReceived: (count) => {
        missing -= count;
        state.receivedPastNode += count;
      },
      onEarlyEnd: () => {
        req.destroy();
      },
      release: () => {
        if (missing === 0) {
          // The client has nothing more to send; it waits.
          socket.setTimeout(0);
          return;
        }
        Reflect.deleteProperty(req, '_read');
      },
    };
  }
}
