-- The schema of the catalog in SQLite as it is after all migrations, to read. Made from them: it is never run.

CREATE TABLE `app_secrets` (
  `app` varchar(255) not null,
  `name` varchar(255) not null,
  `version` integer not null,
  `sealed` text not null,
  `created_at` bigint not null,
  `created_by` varchar(255) not null,
  primary key (`app`, `name`, `version`)
);

CREATE TABLE `apps` (
  `name` varchar(255),
  `constraints` text not null,
  `follow` varchar(16) not null,
  `latest` integer not null,
  `current` integer,
  `created_at` bigint not null,
  primary key (`name`)
);

CREATE TABLE `audit_events` (
  `id` integer not null primary key autoincrement,
  `at` bigint not null,
  `who` varchar(255),
  `address` varchar(64),
  `action` varchar(16) not null,
  `outcome` varchar(16) not null,
  `repository` varchar(255),
  `digest` varchar(135),
  `tag` varchar(128),
  `media_type` varchar(255),
  `size` bigint,
  `detail` text,
  `count` integer not null
);

CREATE INDEX `audit_events_at_index` on `audit_events` (`at`);

CREATE TABLE `blob_links` (
  `repository_id` integer not null,
  `digest` varchar(135) not null,
  `created_at` bigint not null,
  `touched_at` bigint not null,
  `size` bigint,
  foreign key(`repository_id`) references `repositories`(`id`),
  foreign key(`digest`) references `blobs`(`digest`),
  primary key (`repository_id`, `digest`)
);

CREATE INDEX `blob_links_digest_index` on `blob_links` (`digest`);

CREATE TRIGGER quota_link_delete after delete on blob_links when exists (select 1 from quotas) begin
    update quota_blobs set links = links - 1 where digest = old.digest and quota_id in
      (select q.id from quotas q, repositories r where r.id = old.repository_id and r.name like q.matches escape '!');
    delete from quota_blobs where digest = old.digest and links <= 0;
  end;

CREATE TRIGGER quota_link_insert after insert on blob_links when exists (select 1 from quotas) begin
    insert into quota_blobs (quota_id, digest, size, links)
      select q.id, new.digest, b.size, 1 from quotas q, repositories r, blobs b
        where r.id = new.repository_id and b.digest = new.digest and r.name like q.matches escape '!'
      on conflict (quota_id, digest) do update set links = quota_blobs.links + 1;
  end;

CREATE TRIGGER repository_stats_link after insert on blob_links begin
    update repository_stats
      set size = size + coalesce(new.size, (select b.size from blobs b where b.digest = new.digest), 0)
      where repository_id = new.repository_id;
  end;

CREATE TRIGGER repository_stats_unlink after delete on blob_links begin
    update repository_stats
      set size = size - coalesce(old.size, (select b.size from blobs b where b.digest = old.digest), 0)
      where repository_id = old.repository_id;
  end;

CREATE TABLE `blobs` (
  `digest` varchar(135),
  `size` bigint not null,
  `location` text not null,
  `created_at` bigint not null,
  `unlinked_at` bigint,
  primary key (`digest`)
);

CREATE TABLE `catalog_migrations` (
  `name` varchar(255),
  `applied_at` bigint not null,
  primary key (`name`)
);

CREATE TABLE `host_reports` (
  `host` varchar(64) not null,
  `app` varchar(255) not null,
  `report` text not null,
  `reported_at` bigint not null,
  foreign key(`host`) references `hosts`(`id`) on delete CASCADE,
  primary key (`host`, `app`)
);

CREATE INDEX `host_reports_app_index` on `host_reports` (`app`);

CREATE TABLE `host_targets` (
  `host` varchar(64) not null,
  `app` varchar(255) not null,
  `target` text not null,
  foreign key(`host`) references `hosts`(`id`) on delete CASCADE,
  primary key (`host`, `app`)
);

CREATE INDEX `host_targets_app_index` on `host_targets` (`app`);

CREATE TABLE `hosts` (
  `id` varchar(64),
  `name` varchar(128) not null,
  `public_key` varchar(64) not null,
  `recipient` varchar(128) not null,
  `labels` text not null,
  `facts` text not null,
  `draining` boolean not null default '0',
  `joined_at` bigint not null,
  `seen_at` bigint,
  `connection` varchar(128),
  `generation` bigint not null default '0',
  primary key (`id`)
);

CREATE UNIQUE INDEX `hosts_name_unique` on `hosts` (`name`);

CREATE TABLE `join_tokens` (
  `id` varchar(64),
  `secret_hash` varchar(128) not null,
  `labels` text not null,
  `expires_at` bigint not null,
  `used_at` bigint,
  `created_by` varchar(255) not null,
  primary key (`id`)
);

CREATE UNIQUE INDEX `join_tokens_secret_hash_unique` on `join_tokens` (`secret_hash`);

CREATE TABLE `leases` (
  `name` varchar(64),
  `holder` varchar(64) not null,
  `expires_at` bigint not null,
  primary key (`name`)
);

CREATE TABLE `manifest_references` (
  `repository_id` integer not null,
  `manifest_digest` varchar(135) not null,
  `position` integer not null,
  `kind` varchar(16) not null,
  `digest` varchar(135) not null,
  `platform` varchar(64),
  foreign key(`repository_id`, `manifest_digest`) references `manifests`(`repository_id`, `digest`),
  primary key (`repository_id`, `manifest_digest`, `position`)
);

CREATE INDEX `manifest_references_digest_index` on `manifest_references` (`digest`);

CREATE INDEX manifest_references_members on manifest_references (repository_id, manifest_digest, digest)
        where kind = 'manifest';

CREATE INDEX `manifest_references_repository_id_digest_index` on `manifest_references` (`repository_id`, `digest`);

CREATE TABLE `manifests` (
  `repository_id` integer not null,
  `digest` varchar(135) not null,
  `media_type` text not null,
  `artifact_type` text,
  `annotations` text,
  `subject` varchar(135),
  `pushed_at` bigint not null,
  `pushed_by` varchar(255),
  foreign key(`repository_id`) references `repositories`(`id`),
  foreign key(`digest`) references `blobs`(`digest`),
  primary key (`repository_id`, `digest`)
);

CREATE TRIGGER manifests_count_delete after delete on manifests begin update name_changes set count = count + 1; end;

CREATE TRIGGER manifests_count_insert after insert on manifests begin update name_changes set count = count + 1; end;

CREATE TRIGGER manifests_count_update after update on manifests begin update name_changes set count = count + 1; end;

CREATE INDEX `manifests_digest_index` on `manifests` (`digest`);

CREATE INDEX `manifests_repository_id_subject_digest_index` on `manifests` (`repository_id`, `subject`, `digest`);

CREATE TRIGGER repository_stats_again after update of pushed_at on manifests begin
    update repository_stats set pushed_at = max(pushed_at, new.pushed_at) where repository_id = new.repository_id;
  end;

CREATE TRIGGER repository_stats_manifest after insert on manifests begin
    update repository_stats set manifests = manifests + 1, pushed_at = max(pushed_at, new.pushed_at)
      where repository_id = new.repository_id;
  end;

CREATE TRIGGER repository_stats_no_manifest after delete on manifests begin
    update repository_stats set manifests = manifests - 1 where repository_id = old.repository_id;
    delete from pulls where repository_id = old.repository_id and reference = old.digest;
  end;

CREATE TABLE `name_changes` (
  `count` bigint not null
);

CREATE TABLE `placements` (
  `app` varchar(255) not null,
  `service` varchar(255) not null,
  `host` varchar(64) not null,
  `instances` text not null,
  foreign key(`app`) references `apps`(`name`) on delete CASCADE,
  foreign key(`host`) references `hosts`(`id`) on delete CASCADE,
  primary key (`app`, `service`, `host`)
);

CREATE TABLE `pulls` (
  `repository_id` integer not null,
  `reference` varchar(135) not null,
  `pulled_at` bigint not null,
  foreign key(`repository_id`) references `repositories`(`id`) on delete CASCADE,
  primary key (`repository_id`, `reference`)
);

CREATE TRIGGER repository_stats_pull_insert after insert on pulls begin
    update repository_stats set pulled_at = max(pulled_at, new.pulled_at) where repository_id = new.repository_id;
  end;

CREATE TRIGGER repository_stats_pull_update after update on pulls begin
    update repository_stats set pulled_at = max(pulled_at, new.pulled_at) where repository_id = new.repository_id;
  end;

CREATE TABLE `quota_blobs` (
  `quota_id` integer not null,
  `digest` varchar(135) not null,
  `size` bigint not null,
  `links` integer not null,
  primary key (`quota_id`, `digest`)
);

CREATE TRIGGER quota_blob_delete after delete on quota_blobs begin
    update quota_use set used = used - old.size where quota_id = old.quota_id;
  end;

CREATE TRIGGER quota_blob_insert after insert on quota_blobs begin
    update quota_use set used = used + new.size where quota_id = new.quota_id;
  end;

CREATE INDEX `quota_blobs_digest_index` on `quota_blobs` (`digest`);

CREATE TABLE `quota_deltas` (
  `id` integer not null primary key autoincrement,
  `quota_id` integer not null,
  `bytes` bigint not null
);

CREATE INDEX `quota_deltas_quota_id_index` on `quota_deltas` (`quota_id`);

CREATE TABLE `quota_grants` (
  `id` integer not null primary key autoincrement,
  `quota_id` integer not null,
  `holder` varchar(36) not null,
  `bytes` bigint not null
);

CREATE TABLE `quota_use` (
  `quota_id` integer,
  `used` bigint not null,
  primary key (`quota_id`)
);

CREATE TABLE `quotas` (
  `id` integer not null primary key autoincrement,
  `pattern` varchar(255) not null,
  `matches` varchar(512) not null,
  `bytes` bigint not null
);

CREATE UNIQUE INDEX `quotas_pattern_unique` on `quotas` (`pattern`);

CREATE TABLE `release_images` (
  `app` varchar(255) not null,
  `release` integer not null,
  `service` varchar(255) not null,
  `repository` varchar(255) not null,
  `tag` varchar(128),
  `digest` varchar(135) not null,
  foreign key(`app`, `release`) references `releases`(`app`, `number`) on delete CASCADE,
  primary key (`app`, `release`, `service`)
);

CREATE INDEX `release_images_repository_digest_index` on `release_images` (`repository`, `digest`);

CREATE INDEX `release_images_repository_tag_index` on `release_images` (`repository`, `tag`);

CREATE TABLE `releases` (
  `app` varchar(255) not null,
  `number` integer not null,
  `spec` text not null,
  `images` text not null,
  `secrets` text not null,
  `cause` text not null,
  `state` varchar(16) not null,
  `reason` text,
  `created_at` bigint not null,
  `ended_at` bigint,
  foreign key(`app`) references `apps`(`name`) on delete CASCADE,
  primary key (`app`, `number`)
);

CREATE TABLE `repositories` (
  `id` integer not null primary key autoincrement,
  `name` varchar(255) not null,
  `description` text,
  `created_at` bigint not null
);

CREATE UNIQUE INDEX `repositories_name_unique` on `repositories` (`name`);

CREATE TRIGGER repository_stats_begin after insert on repositories begin
    insert into repository_stats (repository_id, name) values (new.id, new.name);
  end;

CREATE TABLE `repository_stats` (
  `repository_id` integer,
  `name` varchar(255) not null,
  `size` bigint not null default '0',
  `manifests` bigint not null default '0',
  `tags` bigint not null default '0',
  `pushed_at` bigint not null default '0',
  `pulled_at` bigint not null default '0',
  foreign key(`repository_id`) references `repositories`(`id`) on delete CASCADE,
  primary key (`repository_id`)
);

CREATE INDEX `repository_stats_by_pulled_at` on `repository_stats` (`pulled_at`, `name`);

CREATE INDEX `repository_stats_by_pushed_at` on `repository_stats` (`pushed_at`, `name`);

CREATE INDEX `repository_stats_by_size` on `repository_stats` (`size`, `name`);

CREATE UNIQUE INDEX `repository_stats_name_unique` on `repository_stats` (`name`);

CREATE TABLE `rollouts` (
  `app` varchar(255),
  `release` integer not null,
  `state` text not null,
  `revision` bigint not null,
  `going` boolean not null default '1',
  foreign key(`app`) references `apps`(`name`) on delete CASCADE,
  primary key (`app`)
);

CREATE INDEX `rollouts_going_index` on `rollouts` (`going`);

CREATE TABLE `tag_history` (
  `id` integer not null primary key autoincrement,
  `repository_id` integer not null,
  `name` varchar(128) not null,
  `manifest_digest` varchar(135),
  `changed_at` bigint not null,
  `who` varchar(255),
  foreign key(`repository_id`) references `repositories`(`id`)
);

CREATE INDEX tag_history_deleted on tag_history (repository_id, id) where manifest_digest is null;

CREATE INDEX `tag_history_repository_id_name_id_index` on `tag_history` (`repository_id`, `name`, `id`);

CREATE TABLE `tag_rules` (
  `id` integer not null primary key autoincrement,
  `pattern` varchar(255) not null,
  `matches` varchar(512) not null,
  `tags` varchar(128) not null,
  `kind` varchar(16) not null
);

CREATE UNIQUE INDEX `tag_rules_pattern_tags_unique` on `tag_rules` (`pattern`, `tags`);

CREATE TABLE `tags` (
  `repository_id` integer not null,
  `name` varchar(128) not null,
  `manifest_digest` varchar(135) not null,
  `updated_at` bigint not null,
  `pushed_by` varchar(255),
  foreign key(`repository_id`, `manifest_digest`) references `manifests`(`repository_id`, `digest`),
  primary key (`repository_id`, `name`)
);

CREATE TRIGGER repository_stats_no_tag after delete on tags begin
    update repository_stats set tags = tags - 1 where repository_id = old.repository_id;
    delete from pulls where repository_id = old.repository_id and reference = old.name;
  end;

CREATE TRIGGER repository_stats_tag after insert on tags begin
    update repository_stats set tags = tags + 1 where repository_id = new.repository_id;
  end;

CREATE INDEX `tags_by_time` on `tags` (`repository_id`, `updated_at`, `name`);

CREATE TRIGGER tags_count_delete after delete on tags begin update name_changes set count = count + 1; end;

CREATE TRIGGER tags_count_insert after insert on tags begin update name_changes set count = count + 1; end;

CREATE TRIGGER tags_count_update after update on tags begin update name_changes set count = count + 1; end;

CREATE INDEX `tags_repository_id_manifest_digest_index` on `tags` (`repository_id`, `manifest_digest`);

CREATE TABLE `uploads` (
  `id` varchar(36),
  `repository` varchar(255) not null,
  `size` bigint not null,
  `detail` text not null,
  `started_at` bigint not null,
  `touched_at` bigint not null,
  `account` varchar(255) not null default '',
  `claimed` bigint not null default '0',
  primary key (`id`)
);

CREATE INDEX `uploads_account_index` on `uploads` (`account`);

CREATE INDEX `uploads_touched_at_index` on `uploads` (`touched_at`);

CREATE TABLE `webhook_deliveries` (
  `id` integer not null primary key autoincrement,
  `webhook_id` integer not null,
  `event_id` varchar(64) not null,
  `action` varchar(16) not null,
  `repository` varchar(255) not null,
  `tag` varchar(128),
  `attempts` integer not null,
  `tried_at` bigint not null,
  `failure` text
);

CREATE INDEX `webhook_deliveries_webhook_id_id_index` on `webhook_deliveries` (`webhook_id`, `id`);

CREATE TABLE `webhook_events` (
  `id` integer not null primary key autoincrement,
  `webhook_id` integer not null,
  `repository` varchar(255) not null,
  `event` text not null,
  `created_at` bigint not null
);

CREATE INDEX `webhook_events_webhook_id_id_index` on `webhook_events` (`webhook_id`, `id`);

CREATE TABLE `webhook_state` (
  `webhook_id` integer,
  `dropped` bigint not null,
  `delivered_at` bigint,
  `failed_at` bigint,
  `failure` text,
  primary key (`webhook_id`)
);

CREATE TABLE `webhooks` (
  `id` integer not null primary key autoincrement,
  `name` varchar(128) not null,
  `url` text not null,
  `events` varchar(64) not null,
  `pattern` varchar(255) not null,
  `matches` varchar(512) not null,
  `secret` text not null,
  `created_at` bigint not null
);

CREATE UNIQUE INDEX `webhooks_name_unique` on `webhooks` (`name`);
