import type { ByteRange } from '../blob-driver.ts';

/** A part of an object that is asked for by its signed address. */
export interface RangeRequest {
  readonly url: string;
  readonly range: ByteRange;
  /** Bytes of the whole object. */
  readonly size: number;
}

/** The request over a connection that carries nothing else (RFC 9110, section 14.2). */
export function rangeRequest({ url, range: { start, end } }: RangeRequest): string {
  const { host, pathname, search } = new URL(url);
  return `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nRange: bytes=${start}-${end}\r\nConnection: close\r\n\r\n`;
}

/** Whether a head announces the bytes of the request, and after them nothing (RFC 9112, section 6; RFC 9110, 14.4). */
export function isAnswerTo({ range: { start, end }, size }: RangeRequest, head: string): boolean {
  const [status = '', ...lines] = head.trimEnd().split('\r\n');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  return (
    /^HTTP\/1\.1 206(?: |$)/.test(status) &&
    headers.get('content-length') === String(end - start + 1) &&
    headers.get('content-range') === `bytes ${start}-${end}/${size}` &&
    !headers.has('transfer-encoding') &&
    !headers.has('content-encoding')
  );
}
