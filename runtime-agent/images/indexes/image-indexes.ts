import type { Knex } from 'knex';
import type { Digest } from '../../../oci/digest.ts';

/**
 * Sets of images of this host for several platforms. The first image of each set has the names, and pushing one of
 * these pushes an index of the whole set. The set is removed with that image.
 */
export class ImageIndexes {
  readonly #knex: Knex;

  /** `knex` has the tables of imageMigrations. */
  constructor(knex: Knex) {
    this.#knex = knex;
  }

  /** Makes a set of images, replacing the earlier set of the first; a single image is not a set. */
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

  /** Returns the images of the index that is pushed for this one, including itself; undefined if it is pushed alone. */
  async find(image: Digest): Promise<readonly Digest[] | undefined> {
    const row = await this.#knex<Row>('image_indexes').where({ image_id: image }).first();
    return row === undefined ? undefined : (JSON.parse(row.members) as readonly Digest[]);
  }
}

interface Row {
  readonly image_id: Digest;
  readonly members: string;
}
