import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { DescService } from '@bufbuild/protobuf';
import { type Client, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { expandMetadata, type Metadata, metadataFields } from './metadata.ts';

const AUTHORITY = 'http://session';

/** The description of a session in the headers of `POST /session`. */
export interface SessionHeaders {
  readonly id: string;
  readonly name: string;
  /** The same for each build of one folder by one client; empty if nothing should be cached. */
  readonly sharedKey: string;
  /** Full names of the methods that may be called, in lower case: `/moby.filesync.v1.filesync/diffcopy`. */
  readonly methods: ReadonlySet<string>;
}

/**
 * The services that a client offers to the builder while its build runs: the client dials, and the builder calls it
 * back on that connection.
 */
export class ClientSession {
  readonly headers: SessionHeaders;
  /** Aborted when the connection has ended. */
  readonly closed: AbortSignal;
  readonly #http2: ClientHttp2Session;
  readonly #transport: Transport;

  constructor(headers: SessionHeaders, connection: Duplex) {
    this.headers = headers;
    const closed = new AbortController();
    this.closed = closed.signal;
    this.#http2 = connect(AUTHORITY, {
      createConnection: () => connection,
      settings: { initialWindowSize: STREAM_WINDOW, enablePush: false },
    });
    this.#http2.once('connect', () => {
      if (!this.#http2.destroyed) this.#http2.setLocalWindowSize(CONNECTION_WINDOW);
    });
    // Open calls fail by themselves; `closed` reports the rest.
    this.#http2.on('error', () => undefined);
    this.#http2.once('close', () => closed.abort());
    this.#transport = createGrpcTransport({
      baseUrl: AUTHORITY,
      acceptCompression: [],
      readMaxBytes: LARGEST_MESSAGE,
      sessionManager: {
        authority: AUTHORITY,
        request: async (method, path, fields, options) =>
          this.#http2.request({ ...expandMetadata(fields), ':method': method, ':path': path }, options),
        notifyResponseByteRead: () => undefined,
      },
    });
  }

  /** Whether the client offers a method of a service. */
  offers(service: DescService, method: string): boolean {
    return this.headers.methods.has(`/${service.typeName}/${method}`.toLowerCase());
  }

  client<T extends DescService>(service: T): Client<T> {
    return createClient(service, this.#transport);
  }

  /** Calls a method whose messages the caller frames itself. The call is cancelled when `signal` aborts. */
  call(service: DescService, method: string, metadata: Metadata, signal: AbortSignal): ClientHttp2Stream {
    const fields = {
      ':method': 'POST',
      ':path': `/${service.typeName}/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    };
    const stream = this.#http2.request({ ...fields, ...metadataFields(metadata) }, { signal });
    // The reader gets the error; an abort after its end would be unhandled.
    stream.on('error', () => undefined);
    return stream;
  }

  close(): void {
    this.#http2.destroy();
  }
}

/** Maximum bytes of a message, the same as for clients that send to the builder. */
const LARGEST_MESSAGE = 16 << 20;
/** Bytes that a client may send ahead of reads: files arrive fast over a unix socket. */
const STREAM_WINDOW = 4 << 20;
const CONNECTION_WINDOW = 16 << 20;
