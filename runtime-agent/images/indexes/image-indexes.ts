import type { Knex } from 'knex';
import type { Digest } from '../../../oci/digest.ts';

/**
 * Which images of this host belong together as one of several platforms. The first of each set is the one that has the names, and what
 * is pushed under these is an index of all. It goes with that image.
 */
export class ImageIndexes {
  readonly #knex: Knex;

  /** `knex` has the tables of imageMigrations. */
  constructor(knex: Knex) {
    this.#knex = knex;
  }

  /** Puts images together, in place of those that were with the first before; one alone is no set any more. */
  async put([first, ...others]: readonly [Digest, ...Digest[]], isIndex: boolean): Promise<void> {
    if (!isIndex) {
      await this.#knex<Row>('image_indexes').where({ image_id: first }).delete();
      return;
    }
    await this.#knex<Row>('image_indexes')
      .insert({ image_id: first, members: JSON.stringify([first, ...others]) })
      .onConflict('image_id')
      .merge();
  }

  /** The images of the index that is pushed in place of this one, itself among them; undefined where it goes alone. */
  async find(image: Digest): Promise<readonly Digest[] | undefined> {
    const row = await this.#knex<Row>('image_indexes').where({ image_id: image }).first();
    return row === undefined ? undefined : (JSON.parse(row.members) as readonly Digest[]);
  }
}

interface Row {
  readonly image_id: Digest;
  readonly members: string;
}
