export interface EntityTag {
  /** Without its quotes. */
  readonly text: string;
  readonly quoted: boolean;
  readonly weak: boolean;
}

/** Returns the entity tags of a header, and `*`, which has no quotes. Some clients omit the quotes of tags, too. */
export function entityTagsOf(header: string): readonly EntityTag[] {
  return header.split(',').map((part) => {
    const tag = part.trim();
    const weak = tag.startsWith('W/');
    const bare = weak ? tag.slice(2) : tag;
    const quoted = bare.length >= 2 && bare.startsWith('"') && bare.endsWith('"');
    return { text: quoted ? bare.slice(1, -1) : bare, quoted, weak };
  });
}

/** Reports whether an If-None-Match header names `tag` (RFC 9110, section 13.1.2), so that the answer is 304. */
export function matchesEntityTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((part) => {
    const candidate = part.trim().replace(/^W\//, '');
    return candidate === '*' || candidate === tag || candidate === `"${tag}"`;
  });
}

/** Reports whether an If-Match header names the current `tag` (RFC 9110, section 13.1.1): weak tags never match. */
export function matchesStrongly(header: string, tag: string): boolean {
  return entityTagsOf(header).some(({ text, quoted, weak }) =>
    text === '*' && !quoted ? !weak : !weak && text === tag,
  );
}

/**
 * Reports whether an If-Range header is `tag` (RFC 9110, section 13.1.5): one tag that is not weak; a date is of no use
 * here.
 */
export function isTheSame(header: string, tag: string): boolean {
  return header === `"${tag}"` || header === tag;
}

export type RequestedRange =
  /** No range, or one that a server may ignore: everything is sent. */
  | { readonly kind: 'whole' }
  /** Bytes `start` to `end` inclusive, within the content. */
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

/** The bytes `start` to `end` of an upload, inclusive. */
export interface ContentRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Parses the Content-Range of a chunk, `START-END` without a unit (distribution-spec, "Pushing a blob in chunks"), or
 * RFC 9110's `bytes START-END/TOTAL`. Undefined when it is neither.
 */
export function parseContentRange(header: string): ContentRange | undefined {
  const match = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header.trim());
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]);
  return end < start ? undefined : { start, end };
}
