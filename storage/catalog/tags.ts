import type { Knex } from 'knex';
import { Pace } from '../../lib/sync/pace.ts';
import { type Digest, parseDigest } from '../../oci/digest.ts';
import { ManifestUnknownError, TagRestoreError } from '../errors.ts';
import { RESTORED } from './audit-catalog.ts';
import { touchLinks } from './blobs.ts';
import type { NamePage, Page, TagCatalog, TagChange } from './catalog.ts';
import { enforcePrecondition, type Precondition } from './preconditions.ts';
import { refuseRunning } from './release-images.ts';
import { findRepositoryId } from './repositories.ts';
import { NO_POLICY, policyOf, type RepositoryPolicy } from './repository-policy.ts';
import { excludeWriters, pageOfNames } from './rows.ts';
import type { Actor } from './tag-rule-catalog.ts';
import { refuseTagChange } from './tag-rules.ts';
import { inTransaction } from './transaction.ts';
import { recordWrite } from './write-record.ts';

/** Maximum changes kept for each tag. */
const HISTORY_KEPT = 100;
/** Number of tags whose history is trimmed before other work gets its turn. */
const TRIMMED_AT_ONCE = 20;

/** Tags: names of manifests within a repository. */
export class KnexTags implements TagCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async list(repository: string, { limit, after }: Page): Promise<NamePage> {
    const id = await findRepositoryId(this.#knex, repository);
    if (id === undefined) return { names: [], more: false };
    const query = this.#knex('tags')
      .where({ repository_id: id })
      .orderBy('name')
      .limit(limit + 1);
    if (after !== undefined) query.where('name', '>', after);
    return pageOfNames(await query.pluck('name'), limit);
  }

  delete(repository: string, tag: string, by?: Actor, precondition: Precondition = {}): Promise<boolean> {
    const work = async (trx: Knex.Transaction) => {
      const id = await findRepositoryId(trx, repository);
      if (id === undefined) return false;
      const pointed = await pointedAt(trx, id, tag);
      if (pointed === undefined) return false;
      const policy = by === undefined ? NO_POLICY : await policyOf(trx, repository);
      refuseTagChange(policy, by, { tag, before: pointed, after: undefined });
      const digest = parseDigest(pointed);
      await refuseRunning(trx, { repository, digest, tag }, by);
      enforcePrecondition(precondition, pointed, undefined);
      await trx('tags').where({ repository_id: id, name: tag }).delete();
      await recordChange(trx, id, { tag, before: pointed, after: null, by });
      const write = { action: 'delete', repository, digest, tags: [tag], whole: false } as const;
      await recordWrite(trx, by, write, policy.hooks);
      return true;
    };
    return inTransaction(this.#knex, work, { clearWay: excludeWriters });
  }

  restore(repository: string, tag: string, by?: Actor): Promise<Digest> {
    const work = async (trx: Knex.Transaction) => {
      const id = await findRepositoryId(trx, repository);
      const pointed = id === undefined ? undefined : await pointedAt(trx, id, tag);
      if (pointed !== undefined) {
        throw new TagRestoreError(`the tag ${tag} is not deleted: it points at ${pointed}`);
      }
      const last = id === undefined ? undefined : await lastDigest(trx, id, tag);
      if (id === undefined || last === undefined) {
        throw new ManifestUnknownError(`${repository} has no deleted tag ${tag}`);
      }
      const manifest: { readonly media_type: string } | undefined = await trx('manifests')
        .where({ repository_id: id, digest: last })
        .first('media_type');
      if (manifest === undefined) {
        throw new TagRestoreError(
          `the manifest ${last}, at which the tag ${tag} pointed, is deleted: push the image again`,
        );
      }
      const policy = by === undefined ? NO_POLICY : await policyOf(trx, repository);
      await pointTags(trx, id, [tag], last, { by, policy });
      const mediaType = manifest.media_type;
      const write = {
        action: 'push',
        repository,
        digest: last,
        mediaType,
        tags: [tag],
        detail: RESTORED,
        whole: false,
      } as const;
      await recordWrite(trx, by, write, policy.hooks);
      return last;
    };
    return inTransaction(this.#knex, work, { clearWay: excludeWriters });
  }

  async history(repository: string, tag: string, limit: number): Promise<readonly TagChange[]> {
    const id = await findRepositoryId(this.#knex, repository);
    if (id === undefined) return [];
    const rows = await this.#knex('tag_history')
      .where({ repository_id: id, name: tag })
      .orderBy('id', 'desc')
      .limit(limit)
      .select('manifest_digest', 'changed_at', 'who');
    return rows.map(({ manifest_digest, changed_at, who }) => ({
      ...(manifest_digest !== null && { digest: parseDigest(manifest_digest) }),
      changedAt: new Date(Number(changed_at)),
      ...(who !== null && { who }),
    }));
  }
}

/** Returns the last digest of a deleted tag; undefined when its last change was not a delete. */
async function lastDigest(trx: Knex.Transaction, id: number, tag: string): Promise<Digest | undefined> {
  const changes: readonly (string | null)[] = await trx('tag_history')
    .where({ repository_id: id, name: tag })
    .orderBy('id', 'desc')
    .limit(2)
    .pluck('manifest_digest');
  const [last, before] = changes;
  return last === null && before ? parseDigest(before) : undefined;
}

/** The actor and the repository of a change of tags. */
export interface TagGuard {
  readonly by: Actor | undefined;
  readonly policy: RepositoryPolicy;
}

/** Points tags at a manifest of the repository, wherever they pointed before. Throws TagRefusedError. */
export async function pointTags(
  trx: Knex.Transaction,
  repositoryId: number,
  tags: readonly string[],
  digest: Digest,
  { by, policy }: TagGuard,
): Promise<void> {
  for (const name of tags) {
    const before = await pointedAt(trx, repositoryId, name);
    refuseTagChange(policy, by, { tag: name, before, after: digest });
    await trx('tags')
      .insert({
        repository_id: repositoryId,
        name,
        manifest_digest: digest,
        updated_at: Date.now(),
        pushed_by: by?.name ?? '',
      })
      .onConflict(['repository_id', 'name'])
      .merge(['manifest_digest', 'updated_at', 'pushed_by']);
    if (before !== digest) await recordChange(trx, repositoryId, { tag: name, before, after: digest, by });
  }
}

/** Records that every tag of a manifest is about to be deleted with it. */
export async function recordTagsOf(
  trx: Knex.Transaction,
  repositoryId: number,
  digest: Digest,
  by?: Actor,
): Promise<void> {
  const columns = ['tag_history', 'repository_id', 'name', 'changed_at', 'who'];
  await trx(trx.raw('?? (??, ??, ??, ??)', columns)).insert(
    trx('tags')
      .where({ repository_id: repositoryId, manifest_digest: digest })
      .select('repository_id', 'name', trx.raw('?', [Date.now()]), trx.raw('?', [by?.name ?? null])),
  );
}

/** Returns the digest of the manifest that a tag points at. */
export async function pointedAt(
  trx: Knex.Transaction,
  repositoryId: number,
  name: string,
): Promise<string | undefined> {
  const row = await trx('tags').where({ repository_id: repositoryId, name }).first('manifest_digest');
  return row?.manifest_digest;
}

interface RecordedChange {
  readonly tag: string;
  readonly before: string | undefined;
  readonly after: Digest | null;
  readonly by: Actor | undefined;
}

/** Writes a line of history; the manifest that has lost the tag begins its grace period. */
async function recordChange(
  trx: Knex.Transaction,
  repositoryId: number,
  { tag: name, before, after, by }: RecordedChange,
): Promise<void> {
  const tag = { repository_id: repositoryId, name };
  const change = { ...tag, manifest_digest: after, changed_at: Date.now(), who: by?.name ?? null };
  await trx('tag_history').insert(change);
  if (before === undefined) return;
  await touchLinks(trx, repositoryId, [before]);
  await trimHistory(trx, repositoryId, [name]);
}

/** Deletes the oldest changes of tags beyond the maximum. */
export async function trimHistory(
  trx: Knex.Transaction,
  repositoryId: number,
  names: readonly string[],
): Promise<void> {
  const pace = new Pace(TRIMMED_AT_ONCE);
  for (const name of names) {
    const tag = { repository_id: repositoryId, name };
    const oldest = trx('tag_history')
      .where(tag)
      .orderBy('id', 'desc')
      .offset(HISTORY_KEPT)
      .limit(1)
      .select('id');
    await trx('tag_history').where(tag).where('id', '<=', oldest).delete();
    await pace.after(1);
  }
}
