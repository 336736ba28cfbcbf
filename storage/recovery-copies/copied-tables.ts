/** A table whose rows are restored after the database is lost. */
export interface CopiedTable {
  readonly name: string;
  /** The copied columns: secrets only as hashes. */
  readonly columns: readonly string[];
}

/** Rules of repositories. Webhook secrets are not copied: signing needs them in plain text. */
export const RULE_TABLES: readonly CopiedTable[] = [
  { name: 'tag_rules', columns: ['pattern', 'tags', 'kind'] },
  { name: 'quotas', columns: ['pattern', 'bytes'] },
  { name: 'webhooks', columns: ['name', 'url', 'events', 'pattern'] },
];

/**
 * The fleet, in an order in which rows can be inserted. Targets are included: a host with an empty target would stop
 * all its apps. Secrets are encrypted, with a key that is stored elsewhere.
 */
export const FLEET_TABLES: readonly CopiedTable[] = [
  {
    name: 'hosts',
    columns: [
      ...['id', 'name', 'public_key', 'recipient', 'labels', 'facts', 'draining', 'joined_at'],
      'generation',
    ],
  },
  { name: 'apps', columns: ['name', 'constraints', 'follow', 'latest', 'current', 'created_at'] },
  {
    name: 'releases',
    columns: [
      ...['app', 'number', 'spec', 'images', 'secrets', 'cause', 'state', 'reason'],
      ...['created_at', 'ended_at'],
    ],
  },
  {
    name: 'release_images',
    columns: ['app', 'release', 'service', 'repository', 'tag', 'digest'],
  },
  { name: 'placements', columns: ['app', 'service', 'host', 'instances'] },
  { name: 'rollouts', columns: ['app', 'release', 'state', 'revision', 'going'] },
  { name: 'host_targets', columns: ['host', 'app', 'target'] },
  { name: 'app_secrets', columns: ['app', 'name', 'version', 'sealed', 'created_at', 'created_by'] },
];
