const COUNTED = "r.name like q.matches escape '!'";

/** The triggers of migrations/quota-triggers.ts for PostgreSQL. */
export const COUNT_QUOTAS: readonly string[] = [
  `create function count_quota_link() returns trigger language plpgsql as $$
    begin
      if tg_op = 'INSERT' then
        insert into quota_blobs (quota_id, digest, size, links)
          select q.id, new.digest, b.size, 1 from quotas q, repositories r, blobs b
            where r.id = new.repository_id and b.digest = new.digest and ${COUNTED}
          on conflict (quota_id, digest) do update set links = quota_blobs.links + 1;
      else
        update quota_blobs set links = links - 1 where digest = old.digest and quota_id in
          (select q.id from quotas q, repositories r where r.id = old.repository_id and ${COUNTED});
        delete from quota_blobs where digest = old.digest and links <= 0;
      end if;
      return null;
    end
  $$`,
  `create trigger quota_link after insert or delete on blob_links
    for each row execute function count_quota_link()`,
  `create function count_quota_blob() returns trigger language plpgsql as $$
    begin
      if tg_op = 'INSERT' then
        update quota_use set used = used + new.size where quota_id = new.quota_id;
      else
        update quota_use set used = used - old.size where quota_id = old.quota_id;
      end if;
      return null;
    end
  $$`,
  `create trigger quota_blob after insert or delete on quota_blobs
    for each row execute function count_quota_blob()`,
];

/**
 * Replaces the functions above. Rows copied from elsewhere precede the quotas' own counts, and are counted there. It
 * reads no rows that others write meanwhile.
 */
export const APPEND_QUOTA_USE: readonly string[] = [
  `create or replace function count_quota_link() returns trigger language plpgsql as $$
    begin
      if not exists (select 1 from quotas) then
        return null;
      end if;
      if tg_op = 'INSERT' then
        insert into quota_blobs (quota_id, digest, size, links)
          select q.id, new.digest, coalesce(new.size, (select size from blobs where digest = new.digest)), 1
            from quotas q, repositories r where r.id = new.repository_id and ${COUNTED}
          on conflict (quota_id, digest) do update set links = quota_blobs.links + 1;
      else
        update quota_blobs set links = links - 1 where digest = old.digest and quota_id in
          (select q.id from quotas q, repositories r where r.id = old.repository_id and ${COUNTED});
        delete from quota_blobs where digest = old.digest and links <= 0;
      end if;
      return null;
    end
  $$`,
  `create or replace function count_quota_blob() returns trigger language plpgsql as $$
    begin
      if tg_op = 'INSERT' then
        insert into quota_deltas (quota_id, bytes)
          select new.quota_id, new.size where exists (select 1 from quota_use where quota_id = new.quota_id);
      else
        insert into quota_deltas (quota_id, bytes)
          select old.quota_id, -old.size where exists (select 1 from quota_use where quota_id = old.quota_id);
      end if;
      return null;
    end
  $$`,
];
