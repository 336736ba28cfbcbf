/** The standing of an actor in a repository, for tag rules. */
type Standing = 'writer' | 'maintainer' | 'admin';

/** The author of a change. Changes without one are the program's own: neither recorded nor refused by rules. */
export interface Actor {
  /** The account, robot or job; undefined for an anonymous client. */
  readonly name?: string;
  /** Address of the client. */
  readonly address?: string;
  readonly standing: Standing;
  /** Whether images that a release runs are deleted too. */
  readonly overrides?: true;
}

export const TAG_RULE_KINDS = ['immutable', 'protected'] as const;
/**
 * `immutable`: an existing tag cannot be moved, and only an administrator deletes it. `protected`: only maintainers set
 * and delete it.
 */
export type TagRuleKind = (typeof TAG_RULE_KINDS)[number];

/** A restriction on some tags of some repositories; in both patterns `*` stands for any characters. */
export interface TagRule {
  readonly pattern: string;
  readonly tags: string;
  readonly kind: TagRuleKind;
}

/** Rules of tags. refuseTagChange (tag-rules.ts) enforces them in the transactions that set and delete tags. */
export interface TagRuleCatalog {
  list(): Promise<readonly TagRule[]>;
  /** Adds a rule, replacing one with the same patterns. */
  put(rule: TagRule): Promise<void>;
  /** Returns whether it existed. */
  remove(rule: Pick<TagRule, 'pattern' | 'tags'>): Promise<boolean>;
}
