import { parsePattern } from '../../auth/access/pattern.ts';
import { SettingInvalidError } from '../../auth/errors.ts';
import { parseSize } from '../../lib/settings/parse-size.ts';
import { TAG_RULE_KINDS, type TagRule } from '../../storage/catalog/tag-rule-catalog.ts';

const TAGS = /^[A-Za-z0-9_*][A-Za-z0-9._*-]{0,127}$/;

/** Parses a number of bytes such as `500MB` or `20GiB`. Throws SettingInvalidError. */
export function parseByteCount(text: string): number {
  const bytes = parseSize(text, 'exact');
  if (Number.isSafeInteger(bytes)) return Number(bytes);
  throw new SettingInvalidError(
    `${JSON.stringify(text.slice(0, 40))} is not a size: write a number of bytes, or with a unit, such as 20GiB or 500MB`,
  );
}

/** Throws SettingInvalidError, which says what to write instead. */
export function parseTagRule(text: { readonly [Field in keyof TagRule]: string }): TagRule {
  const kind = TAG_RULE_KINDS.find((one) => one === text.kind);
  if (kind === undefined) {
    throw new SettingInvalidError(`the kind of a tag rule is one of ${TAG_RULE_KINDS.join(', ')}`);
  }
  return { pattern: parsePattern(text.pattern), tags: parseTagPattern(text.tags), kind };
}

/** Parses a pattern of tags, in which `*` stands for any characters. Throws SettingInvalidError. */
export function parseTagPattern(text: string): string {
  if (TAGS.test(text) && !text.includes('**')) return text;
  throw new SettingInvalidError(
    `${JSON.stringify(text.slice(0, 80))} is not a pattern of tags: write a tag in which * stands for any characters, such as v*`,
  );
}
