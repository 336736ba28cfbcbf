/** All warnings of an answer together have at most this many bytes (distribution-spec, "Warnings"). */
const MOST_BYTES = 4096;
const FRAME = '299 - ""'.length;

/**
 * The value of a Warning header (distribution-spec, "Warnings"): exactly `299 - "text"`. Characters that a
 * header cannot hold become `?`, and what is too long is cut.
 */
export function warning(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, "'");
  return `299 - "${plain.slice(0, MOST_BYTES - FRAME)}"`;
}
