/** What somebody is to a repository, as far as rules of tags go by it. */
type Standing = 'writer' | 'maintainer' | 'admin';

/** Who a change is made for. Changes without one are the program's own: neither recorded nor refused by rules. */
export interface Actor {
  /** The account, robot or job; undefined when nobody is logged in. */
  readonly name?: string;
  /** Of the client. */
  readonly address?: string;
  readonly standing: Standing;
  /** Deletes even what a release runs. */
  readonly overrides?: true;
}

export const TAG_RULE_KINDS = ['immutable', 'protected'] as const;
/**
 * `immutable`: a tag that is there stays where it is, and only an administrator deletes it. `protected`: only
 * maintainers set and delete it.
 */
export type TagRuleKind = (typeof TAG_RULE_KINDS)[number];

/** What may not be done to some tags of some repositories; in both patterns `*` stands for any characters. */
export interface TagRule {
  readonly pattern: string;
  readonly tags: string;
  readonly kind: TagRuleKind;
}

/** Rules of tags. refuseTagChange (tag-rules.ts) enforces them in the transactions that set and delete tags. */
export interface TagRuleCatalog {
  list(): Promise<readonly TagRule[]>;
  /** In place of another one with the same patterns. */
  put(rule: TagRule): Promise<void>;
  /** Answers whether it was there. */
  remove(rule: Pick<TagRule, 'pattern' | 'tags'>): Promise<boolean>;
}
