import { TagInvalidError } from './errors.ts';

const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Whether `text` is a tag (distribution-spec, "Pulling manifests": `<reference>` as a tag). */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** Checks a tag that came from outside. Throws TagInvalidError. */
export function parseTag(text: string): string {
  if (!isTag(text)) {
    throw new TagInvalidError(
      `${JSON.stringify(text.slice(0, 160))} is not a tag: expected 1 to 128 letters, digits, "_", "." and "-", ` +
        'of which the first is neither "." nor "-"',
    );
  }
  return text;
}
