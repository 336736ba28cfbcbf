import type { Knex } from 'knex';
import { parseDigest } from '../../oci/digest.ts';
import type { NameLine, NamesCatalog } from './catalog.ts';
import { NAME_CHANGES } from './postgres/name-changes.ts';
import { isPostgres } from './rows.ts';

/** Rows that one statement reads: about a millisecond's work. */
const WINDOW = 250;

interface RepositoryRow {
  readonly id: number;
  readonly name: string;
  readonly description: string | null;
}

/** `key` is a digest or a tag. */
interface KeyedRow {
  readonly repository_id: number;
  readonly repository: string;
  readonly key: string;
  readonly digest: string;
  readonly media_type: string;
}

/** The names in a catalog. */
export class KnexNames implements NamesCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async version(): Promise<number> {
    if (!isPostgres(this.#knex)) return (await this.#knex('name_changes').first('count')).count;
    return (await this.#knex.raw(NAME_CHANGES)).rows[0].total;
  }

  async *lines(): AsyncGenerator<NameLine, void, undefined> {
    yield* this.#descriptions();
    for await (const { repository, digest, media_type } of this.#rows('manifests', 'digest', [
      'x.media_type',
    ])) {
      yield { repository, manifest: parseDigest(digest), mediaType: media_type };
    }
    for await (const { repository, key, digest } of this.#rows('tags', 'name', [
      'x.manifest_digest as digest',
    ])) {
      yield { repository, manifest: parseDigest(digest), tag: key };
    }
  }

  async *#descriptions(): AsyncGenerator<NameLine, void, undefined> {
    for (let after: number | undefined = 0; after !== undefined; ) {
      const rows: readonly RepositoryRow[] = await this.#knex('repositories')
        .where('id', '>', after)
        .orderBy('id')
        .limit(WINDOW)
        .select('id', 'name', 'description');
      for (const { name, description } of rows) {
        if (description !== null) yield { repository: name, description };
      }
      after = rows.length < WINDOW ? undefined : rows.at(-1)?.id;
    }
  }

  /** The rows of a table in the order of its primary key, the repository and then `key`. */
  async *#rows(
    table: 'manifests' | 'tags',
    key: string,
    columns: readonly string[],
  ): AsyncGenerator<KeyedRow, void, undefined> {
    for (let after: readonly [number, string] | undefined = [0, '']; after !== undefined; ) {
      const rows: readonly KeyedRow[] = await this.#knex(`${table} as x`)
        .join('repositories as r', 'r.id', 'x.repository_id')
        .whereRaw(`(x.repository_id, x.${key}) > (?, ?)`, [...after])
        .orderBy(['x.repository_id', `x.${key}`])
        .limit(WINDOW)
        .select(
          'x.repository_id',
          'r.name as repository',
          `x.${key} as key`,
          `x.${key} as digest`,
          ...columns,
        );
      yield* rows;
      const last = rows.length < WINDOW ? undefined : rows.at(-1);
      after = last && [last.repository_id, last.key];
    }
  }
}
