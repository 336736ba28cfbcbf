import type { Knex } from 'knex';

/** A step of the schema of auth/. Each process that opens the database runs the missing steps, in order. */
export interface AccountMigration {
  readonly name: string;
  up(trx: Knex.Transaction): Promise<void>;
  /**
   * Undoes `up` and keeps all other content, including content that was written since. Absent if it cannot be undone.
   */
  down?(trx: Knex.Transaction): Promise<void>;
  /** Whether `up` removes something that the previous version uses; by default it only adds. */
  readonly contracts?: boolean;
  /** Tables whose rows `up` reads or changes; by default none. */
  readonly touches?: readonly string[];
}

/** Times are ISO 8601 texts of equal length, which sort correctly in any database. */
const TIME = 32;
const NAME = 128;
const PATTERN = 255;
const ID = 64;
const HASH = 64;

export const ACCOUNT_MIGRATIONS: readonly AccountMigration[] = [
  {
    name: '0001-accounts',
    up: async (trx) => {
      await trx.schema.createTable('accounts', (table) => {
        table.string('name', 128).primary();
        table.string('password_hash', 512).notNullable();
        table.boolean('admin').notNullable();
        table.string('created_at', 32).notNullable();
      });
    },
  },
  {
    name: '0002-roles-and-tokens',
    up: async (trx) => {
      await trx.schema.createTable('teams', (table) => {
        table.string('name', NAME).primary();
        table.string('created_at', TIME).notNullable();
      });
      await trx.schema.createTable('team_members', (table) => {
        table.string('team', NAME).notNullable();
        table.string('account', NAME).notNullable().index();
        table.primary(['team', 'account']);
      });
      await trx.schema.createTable('role_grants', (table) => {
        table.string('holder_kind', 16).notNullable();
        table.string('holder_name', NAME).notNullable();
        table.string('pattern', PATTERN).notNullable();
        table.string('role', 16).notNullable();
        table.primary(['holder_kind', 'holder_name', 'pattern']);
      });
      await trx.schema.createTable('credentials', (table) => {
        table.string('id', ID).primary();
        table.string('kind', 16).notNullable();
        table.string('name', PATTERN).notNullable();
        // The login name of a robot; null for personal tokens, whose names need not be unique.
        table.string('login_name', PATTERN).nullable().unique();
        table.string('owner_kind', 16).notNullable();
        table.string('owner_name', NAME).notNullable();
        table.string('secret_hash', HASH).notNullable().unique();
        table.text('limits').nullable();
        table.string('created_at', TIME).notNullable();
        table.string('expires_at', TIME).nullable();
        table.string('last_used_at', TIME).nullable();
        table.index(['owner_kind', 'owner_name']);
      });
      await trx.schema.createTable('logins', (table) => {
        table.string('secret_hash', HASH).primary();
        table.string('family', ID).notNullable().index();
        table.string('subject_kind', 16).notNullable();
        table.string('subject_name', PATTERN).notNullable();
        table.string('credential', ID).nullable().index();
        table.string('service', PATTERN).notNullable();
        table.string('client', PATTERN).notNullable();
        table.string('created_at', TIME).notNullable();
        table.string('expires_at', TIME).notNullable().index();
        table.boolean('replaced').notNullable();
        table.index(['subject_kind', 'subject_name']);
      });
      await trx.schema.createTable('signing_keys', (table) => {
        table.string('id', ID).primary();
        table.text('private_key').notNullable();
        table.string('created_at', TIME).notNullable();
        table.string('retires_at', TIME).nullable();
      });
    },
  },
  {
    name: '0003-job-rules',
    up: async (trx) => {
      await trx.schema.createTable('job_rules', (table) => {
        table.string('name', 128).primary();
        table.string('issuer', 512).notNullable();
        table.string('audience', 512).notNullable();
        table.text('claims').notNullable();
        table.string('role', 16).notNullable();
        table.string('pattern', 255).notNullable();
      });
    },
  },
  {
    name: '0004-providers',
    up: async (trx) => {
      await trx.schema.createTable('providers', (table) => {
        table.string('name', NAME).primary();
        table.string('issuer', 512).notNullable();
        table.string('client_id', 512).notNullable();
        // In plain text: the provider requires it.
        table.text('client_secret').notNullable();
        table.string('name_claim', NAME).notNullable();
        table.string('groups_claim', NAME).notNullable();
        table.text('groups').notNullable();
      });
      await trx.schema.createTable('linked_accounts', (table) => {
        table.string('issuer', 512).notNullable();
        table.string('subject', PATTERN).notNullable();
        table.string('account', NAME).notNullable().index();
        table.primary(['issuer', 'subject']);
      });
      await trx.schema.createTable('sessions', (table) => {
        table.string('secret_hash', HASH).primary();
        table.string('account', NAME).notNullable().index();
        table.string('provider', NAME).notNullable().index();
        table.string('created_at', TIME).notNullable();
        table.string('expires_at', TIME).notNullable().index();
      });
      await trx.schema.createTable('device_logins', (table) => {
        table.string('device_hash', HASH).primary();
        table.string('user_code_hash', HASH).notNullable().unique();
        table.string('client', PATTERN).notNullable();
        // Null until the login is confirmed or denied.
        table.string('account', NAME).nullable().index();
        table.boolean('denied').notNullable();
        table.string('expires_at', TIME).notNullable().index();
      });
    },
  },
  {
    name: '0005-device-networks',
    up: async (trx) => {
      await trx.schema.alterTable('device_logins', (table) => {
        table.string('network', PATTERN).notNullable().defaultTo('').index();
      });
    },
  },
  {
    name: '0006-session-clients',
    up: async (trx) => {
      await trx.schema.alterTable('sessions', (table) => {
        table.string('client', PATTERN).notNullable().defaultTo('');
        table.string('address', PATTERN).notNullable().defaultTo('');
      });
    },
  },
];
