export interface EntityTag {
  /** Without its quotes. */
  readonly text: string;
  readonly quoted: boolean;
  readonly weak: boolean;
}

/** The entity tags of a header, and `*`, which has no quotes. Some clients leave them out of tags, too. */
export function entityTagsOf(header: string): readonly EntityTag[] {
  return header.split(',').map((part) => {
    const tag = part.trim();
    const weak = tag.startsWith('W/');
    const bare = weak ? tag.slice(2) : tag;
    const quoted = bare.length >= 2 && bare.startsWith('"') && bare.endsWith('"');
    return { text: quoted ? bare.slice(1, -1) : bare, quoted, weak };
  });
}

/** Whether an If-None-Match header names `tag` (RFC 9110, section 13.1.2), so that the answer is 304. */
export function matchesEntityTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((part) => {
    const candidate = part.trim().replace(/^W\//, '');
    return candidate === '*' || candidate === tag || candidate === `"${tag}"`;
  });
}

/** Whether an If-Match header names `tag`, which is there (RFC 9110, section 13.1.1): weak tags never do. */
export function matchesStrongly(header: string, tag: string): boolean {
  return entityTagsOf(header).some(({ text, quoted, weak }) =>
    text === '*' && !quoted ? !weak : !weak && text === tag,
  );
}

/** Whether an If-Range header is `tag` (RFC 9110, section 13.1.5): one tag, and no weak one; a date is of no use here. */
export function isTheSame(header: string, tag: string): boolean {
  return header === `"${tag}"` || header === tag;
}
