/** Content that comes over a socket, and may be read from its descriptor instead of being iterated. */
export interface SocketContent extends AsyncIterable<Uint8Array> {
  /** Bytes to come that may be read so; 0 when none may. */
  readonly takeable: number;
  /** Gives the rest away: it is not to be iterated then. To be called before anything has been iterated. */
  takeOver(): TakenContent;
}

/** Content that whoever has taken it over reads from a socket. */
export interface TakenContent {
  /** What has already been read. */
  readonly begun: readonly Uint8Array[];
  /** Bytes that come after it. */
  readonly left: number;
  /** The descriptor of the socket, for this moment; undefined when it has been closed. */
  descriptor(): number | undefined;
  /** To be called every now and then while bytes move: a client that sends nothing for long is cut. */
  onProgress(): void;
  /** To be called with the number of bytes that were read since the last call. */
  onReceived(count: number): void;
  /** To be called when no more comes: the client has gone. */
  onEarlyEnd(): void;
  /** To be called once, when nothing is read any more. */
  release(): void;
}

export function isSocketContent(content: AsyncIterable<Uint8Array>): content is SocketContent {
  return 'takeOver' in content;
}
