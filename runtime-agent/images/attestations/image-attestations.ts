import type { Knex } from 'knex';
import type { Digest } from '../../../oci/digest.ts';

/** A statement about an image, without its subject: the digest that the image gets is known when it is pushed. */
export interface Attestation {
  /** A URI, such as `https://slsa.dev/provenance/v0.2`. */
  readonly predicateType: string;
  /** JSON. */
  readonly predicate: object;
}

/** Attestations of images that were built here; they are removed with the image. */
export class ImageAttestations {
  readonly #knex: Knex;

  /** `knex` has the tables of imageMigrations. */
  constructor(knex: Knex) {
    this.#knex = knex;
  }

  /** Replaces the image's attestation of this type. The image must be on this host. */
  async put(image: Digest, { predicateType, predicate }: Attestation): Promise<void> {
    await this.#knex<Row>('image_attestations')
      .insert({ image_id: image, predicate_type: predicateType, predicate: JSON.stringify(predicate) })
      .onConflict(['image_id', 'predicate_type'])
      .merge();
  }

  async find(image: Digest): Promise<readonly Attestation[]> {
    const rows = await this.#knex<Row>('image_attestations')
      .where({ image_id: image })
      .orderBy('predicate_type');
    return rows.map((row) => ({ predicateType: row.predicate_type, predicate: JSON.parse(row.predicate) }));
  }
}

interface Row {
  readonly image_id: Digest;
  readonly predicate_type: string;
  readonly predicate: string;
}
