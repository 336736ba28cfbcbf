import type { Knex } from 'knex';
import { likePattern } from '../../lib/pattern/wildcard.ts';
import { refuseBeyond } from './most-settings.ts';
import type { TagRule, TagRuleCatalog } from './tag-rule-catalog.ts';
import { inTransaction } from './transaction.ts';

/** Rules of tags. */
export class KnexTagRules implements TagRuleCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async list(): Promise<readonly TagRule[]> {
    return this.#knex('tag_rules').orderBy(['pattern', 'tags']).select('pattern', 'tags', 'kind');
  }

  async put({ pattern, tags, kind }: TagRule): Promise<void> {
    await inTransaction(this.#knex, async (trx) => {
      const there = await trx('tag_rules').where({ pattern, tags }).first('id');
      if (there === undefined) await refuseBeyond(trx, 'tag_rules');
      await trx('tag_rules')
        .insert({ pattern, matches: likePattern(pattern), tags, kind })
        .onConflict(['pattern', 'tags'])
        .merge(['kind']);
    });
  }

  remove({ pattern, tags }: Pick<TagRule, 'pattern' | 'tags'>): Promise<boolean> {
    return inTransaction(
      this.#knex,
      async (trx) => (await trx('tag_rules').where({ pattern, tags }).delete()) > 0,
    );
  }
}
