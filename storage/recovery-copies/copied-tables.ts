/** A table of which a lost database is to get back what it held. */
export interface CopiedTable {
  readonly name: string;
  /** Those that are kept: no secret is among them, but for its hash. */
  readonly columns: readonly string[];
}

/** Rules of repositories. What webhooks sign with is not kept: it cannot be a hash. */
export const RULE_TABLES: readonly CopiedTable[] = [
  { name: 'tag_rules', columns: ['pattern', 'tags', 'kind'] },
  { name: 'quotas', columns: ['pattern', 'bytes'] },
  { name: 'webhooks', columns: ['name', 'url', 'events', 'pattern'] },
];
