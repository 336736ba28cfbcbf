/**
 * Columns of the tables of ACCOUNT_MIGRATIONS that a recovery restores after the database is lost: secrets only as
 * hashes.
 */
export const KEPT_ACCOUNT_TABLES: readonly { readonly name: string; readonly columns: readonly string[] }[] =
  [
    { name: 'accounts', columns: ['name', 'password_hash', 'admin', 'created_at'] },
    { name: 'teams', columns: ['name', 'created_at'] },
    { name: 'team_members', columns: ['team', 'account'] },
    { name: 'role_grants', columns: ['holder_kind', 'holder_name', 'pattern', 'role'] },
    {
      name: 'credentials',
      columns: [
        ...['id', 'kind', 'name', 'login_name', 'owner_kind', 'owner_name'],
        ...['secret_hash', 'limits', 'created_at', 'expires_at'],
      ],
    },
    {
      name: 'logins',
      columns: [
        ...['secret_hash', 'family', 'subject_kind', 'subject_name', 'credential', 'service', 'client'],
        ...['created_at', 'expires_at', 'replaced'],
      ],
    },
    { name: 'job_rules', columns: ['name', 'issuer', 'audience', 'claims', 'role', 'pattern'] },
    { name: 'linked_accounts', columns: ['issuer', 'subject', 'account'] },
  ];

/** Providers without their client secrets, which are plain text: enough to say how to create them again. */
export const KEPT_PROVIDERS = {
  name: 'providers',
  columns: ['name', 'issuer', 'client_id', 'name_claim', 'groups_claim', 'groups'],
} as const;
