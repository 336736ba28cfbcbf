const COUNTED = "r.name like q.matches escape '!'";

/**
 * Keeps quota_blobs and quota_use in step with the links of blobs, in the statements that change these: no writer of
 * any program can forget it. For SQLite.
 */
export const COUNT_QUOTAS: readonly string[] = [
  `create trigger quota_link_insert after insert on blob_links when exists (select 1 from quotas) begin
    insert into quota_blobs (quota_id, digest, size, links)
      select q.id, new.digest, b.size, 1 from quotas q, repositories r, blobs b
        where r.id = new.repository_id and b.digest = new.digest and ${COUNTED}
      on conflict (quota_id, digest) do update set links = quota_blobs.links + 1;
  end`,
  `create trigger quota_link_delete after delete on blob_links when exists (select 1 from quotas) begin
    update quota_blobs set links = links - 1 where digest = old.digest and quota_id in
      (select q.id from quotas q, repositories r where r.id = old.repository_id and ${COUNTED});
    delete from quota_blobs where digest = old.digest and links <= 0;
  end`,
  `create trigger quota_blob_insert after insert on quota_blobs begin
    update quota_use set used = used + new.size where quota_id = new.quota_id;
  end`,
  `create trigger quota_blob_delete after delete on quota_blobs begin
    update quota_use set used = used - old.size where quota_id = old.quota_id;
  end`,
];
