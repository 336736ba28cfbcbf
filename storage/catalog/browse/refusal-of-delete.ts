import type { Knex } from 'knex';
import { parseDigest } from '../../../oci/digest.ts';
import { TagRefusedError } from '../../errors.ts';
import { policyOf } from '../repository-policy.ts';
import type { Actor } from '../tag-rule-catalog.ts';
import { refuseLoss, refuseTagChange } from '../tag-rules.ts';
import type { ManifestKey } from './browse-catalog.ts';

/** Returns why the tag rules refuse a delete, before it is attempted. */
export async function refusalOfDelete(
  knex: Knex,
  repository: string,
  reference: ManifestKey,
  by: Actor,
): Promise<string | undefined> {
  const found: { readonly id: number } | undefined = await knex('repositories')
    .where({ name: repository })
    .first('id');
  if (found === undefined) return undefined;
  const policy = await policyOf(knex, repository);
  try {
    if ('digest' in reference) {
      await refuseLoss(knex, found.id, reference.digest, by, policy);
    } else {
      const tag: { readonly manifest_digest: string } | undefined = await knex('tags')
        .where({ repository_id: found.id, name: reference.tag })
        .first('manifest_digest');
      if (tag === undefined) return undefined;
      const before = parseDigest(tag.manifest_digest);
      refuseTagChange(policy, by, { tag: reference.tag, before, after: undefined });
    }
    return undefined;
  } catch (error) {
    if (error instanceof TagRefusedError) return error.message;
    throw error;
  }
}
