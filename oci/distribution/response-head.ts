import { trimOf } from '../../lib/pattern/trim.ts';

/** The head of an answer whose body is as long as it says, byte for byte. */
export interface ResponseHead {
  readonly status: number;
  /** By their names in small letters. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body. */
  readonly length: number;
}

const STATUS_LINE = /^HTTP\/1\.1 (200|206|30[12378])(?: [^\r\n]*)?$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9a-z-]+):(.*)$/i;

/**
 * Reads the head of an answer to a GET, without the empty line at its end (RFC 9112, sections 4 to 6). Undefined for all but
 * plain successes and redirects: an answer that is an error, or that is coded or framed in any other way, takes an HTTP client.
 */
export function readResponseHead(text: string): ResponseHead | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const status = Number(STATUS_LINE.exec(first)?.[1]);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name, written = ''] = HEADER.exec(line) ?? [];
    const value = trimOf(written, ' \t');
    // What is said twice is taken by nobody to mean the same.
    if (name === undefined || (headers[name.toLowerCase()] ?? value) !== value) return undefined;
    headers[name.toLowerCase()] = value;
  }
  const { 'content-length': length = '' } = headers;
  const isCoded =
    'transfer-encoding' in headers || (headers['content-encoding'] ?? 'identity') !== 'identity';
  if (Number.isNaN(status) || isCoded || !/^\d{1,15}$/.test(length)) return undefined;
  return { status, headers, length: Number(length) };
}
