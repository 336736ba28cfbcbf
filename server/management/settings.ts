import { parsePattern } from '../../auth/access/pattern.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import type { QuotaCatalog } from '../../storage/catalog/quota-catalog.ts';
import { TAG_RULE_KINDS, type TagRuleCatalog } from '../../storage/catalog/tag-rule-catalog.ts';
import { ADMINS } from '../api/access.ts';
import { type Route, route } from '../api/route.ts';
import { integer, list, object, type Schema, schema, text } from '../api/schema.ts';
import { parseByteCount, parseTagPattern, parseTagRule } from './parse-settings.ts';
import { PATTERN } from './schemas.ts';

/** A number of bytes, or a text such as `20GiB`. */
const SIZE: Schema<number> = schema(
  { noun: 'a number of bytes, or a text such as "20GiB"', plural: 'sizes' },
  {
    oneOf: [
      { type: 'integer', minimum: 0 },
      { type: 'string', description: 'A size such as 20GiB' },
    ],
  },
  (value) => {
    if (typeof value === 'string') return parseByteCount(value);
    return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : undefined;
  },
);

const NEW_QUOTA = object({ pattern: PATTERN, bytes: SIZE }, { title: 'NewQuota' });
const QUOTA = object(
  {
    pattern: PATTERN,
    bytes: integer(),
    used: integer({ description: 'Bytes; content that several repositories have counts once' }),
  },
  { title: 'Quota' },
);

/** Limits of bytes for repositories. */
export function quotaRoutes(quotas: QuotaCatalog): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/quotas',
      id: 'listQuotas',
      summary: 'Limits of bytes for repositories',
      access: ADMINS,
      area: 'settings',
      answer: object({ quotas: list(QUOTA) }),
      handle: async () => ({ quotas: await quotas.list() }),
    }),
    route({
      method: 'PUT',
      path: '/quotas',
      id: 'setQuota',
      summary: 'Set a quota',
      description: 'Existing content stays.',
      access: ADMINS,
      area: 'settings',
      body: NEW_QUOTA,
      answer: NEW_QUOTA,
      async handle({ body: { bytes, ...body } }) {
        const pattern = parsePattern(body.pattern);
        await quotas.put({ pattern, bytes });
        return { pattern, bytes };
      },
    }),
    route({
      method: 'DELETE',
      path: '/quotas',
      id: 'removeQuota',
      summary: 'Remove a quota',
      access: ADMINS,
      area: 'settings',
      query: { pattern: text({ description: 'The repositories of the quota' }) },
      errors: { 404: 'There is no such quota' },
      async handle({ query }) {
        const pattern = parsePattern(query.pattern);
        if (!(await quotas.remove(pattern))) throw new EntryUnknownError(`there is no quota of ${pattern}`);
      },
    }),
  ];
}

const TAG_RULE = object(
  {
    pattern: PATTERN,
    tags: text({ description: 'A tag in which * stands for any characters' }),
    kind: text({ enum: TAG_RULE_KINDS }),
  },
  { title: 'TagRule' },
);

/** Immutable tags, and tags that only maintainers set. */
export function tagRuleRoutes(tagRules: TagRuleCatalog): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/tag-rules',
      id: 'listTagRules',
      summary: 'Tags that cannot be moved, and tags that only maintainers set',
      access: ADMINS,
      area: 'settings',
      answer: object({ tagRules: list(TAG_RULE) }),
      handle: async () => ({ tagRules: await tagRules.list() }),
    }),
    route({
      method: 'PUT',
      path: '/tag-rules',
      id: 'setTagRule',
      summary: 'Set a rule',
      access: ADMINS,
      area: 'settings',
      body: TAG_RULE,
      answer: TAG_RULE,
      async handle({ body }) {
        const rule = parseTagRule(body);
        await tagRules.put(rule);
        return rule;
      },
    }),
    route({
      method: 'DELETE',
      path: '/tag-rules',
      id: 'removeTagRule',
      summary: 'Remove a rule',
      access: ADMINS,
      area: 'settings',
      query: {
        pattern: text({ description: 'The repositories of the rule' }),
        tags: text({ description: 'The tags of the rule' }),
      },
      errors: { 404: 'There is no such rule' },
      async handle({ query }) {
        const pattern = parsePattern(query.pattern);
        const tags = parseTagPattern(query.tags);
        if (!(await tagRules.remove({ pattern, tags }))) {
          throw new EntryUnknownError(`there is no rule of the tags ${tags} of ${pattern}`);
        }
      },
    }),
  ];
}
