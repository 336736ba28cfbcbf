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
