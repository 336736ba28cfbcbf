/** A table of which a lost database is to get back what it held. */
export interface CopiedTable {
  readonly name: string;
  /** Those that are kept: no secret is among them, but for its hash. */
  readonly columns: readonly string[];
}

/** Rules of repositories. What webhooks sign with is not kept: it cannot be a hash. */
export const RULE_TABLES: readonly CopiedTable[] = [
  { name: 'tag_rules', columns: ['pattern', 'tags', 'kind'] },
  { name: 'quotas', columns: ['pattern', 'bytes'] },
  { name: 'webhooks', columns: ['name', 'url', 'events', 'pattern'] },
];

/**
 * The fleet, in an order in which rows can be put back. Targets belong to it: a host that was told of none would stop all of its
 * apps. Secrets are sealed, for a key that is kept elsewhere.
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
