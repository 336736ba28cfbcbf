export type RequestedRange =
  /** No range, or one that a server may ignore: everything is to be sent. */
  | { readonly kind: 'whole' }
  /** Bytes `start` to `end`, both included, all of them within the content. */
  | { readonly kind: 'part'; readonly start: number; readonly end: number }
  | { readonly kind: 'unsatisfiable' };

const WHOLE: RequestedRange = { kind: 'whole' };

/**
 * Reads a Range header for content of `size` bytes (RFC 9110, section 14.2): `bytes=0-99`, `bytes=100-` and
 * `bytes=-100`. Other units, malformed text and lists of ranges are ignored, as the RFC allows.
 */
export function parseRange(header: string | undefined, size: number): RequestedRange {
  if (header === undefined) return WHOLE;
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header);
  if (match === null) return WHOLE;
  const [, first = '', last = ''] = match;
  if (first === '') return last === '' ? WHOLE : suffix(Number(last), size);
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < start) return WHOLE;
  if (start >= size) return { kind: 'unsatisfiable' };
  return { kind: 'part', start, end };
}

function suffix(length: number, size: number): RequestedRange {
  if (length === 0 || size === 0) return { kind: 'unsatisfiable' };
  return { kind: 'part', start: Math.max(0, size - length), end: size - 1 };
}

/** Bytes `start` to `end` of an upload, both included. */
export interface ContentRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads the Content-Range of a chunk, `START-END` without a unit (distribution-spec, "Pushing a blob in
 * chunks"); RFC 9110's `bytes START-END/TOTAL` is understood as well. Undefined when it is neither.
 */
export function parseContentRange(header: string): ContentRange | undefined {
  const match = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header.trim());
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]);
  return end < start ? undefined : { start, end };
}
