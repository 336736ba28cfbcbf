import { setTimeout as sleep } from 'node:timers/promises';
import { CATALOG_MIGRATIONS } from '../../storage/catalog/catalog-migrations.ts';
import type { Migration } from '../../storage/catalog/migrate.ts';

/**
 * Steps of a later version, which a program gets with `NODE_OPTIONS=--import …`: see LATER_VERSION. The first adds a
 * column, a table and a trigger. The second adds a table, and has no way back if LATER_STEPS_FINAL is set. At the place
 * that LATER_STEPS_PAUSE numbers, the program prints it and waits to be killed.
 */
const LATER_STEPS: readonly Migration[] = [
  {
    name: '0900-later-pushes',
    touches: ['repositories', 'manifests'],
    async up(trx) {
      await pause(1);
      await trx.raw("alter table repositories add column colour varchar(16) not null default 'grey'");
      await pause(2);
      await trx.schema.createTable('later_pushes', (table) => {
        table.string('digest', 135).notNullable();
      });
      await trx.raw('insert into later_pushes select digest from manifests');
      await pause(3);
      const isPostgres = trx.client.config.client !== 'better-sqlite3';
      if (isPostgres) {
        await trx.raw(
          `create function note_later_push() returns trigger language plpgsql as
            'begin insert into later_pushes values (new.digest); return new; end'`,
        );
      }
      await trx.raw(
        isPostgres
          ? `create trigger note_later_push after insert on manifests for each row execute function note_later_push()`
          : `create trigger note_later_push after insert on manifests begin
              insert into later_pushes values (new.digest); end`,
      );
      await pause(4);
    },
    async down(trx) {
      await pause(11);
      const isPostgres = trx.client.config.client !== 'better-sqlite3';
      await trx.raw(`drop trigger note_later_push${isPostgres ? ' on manifests' : ''}`);
      if (isPostgres) await trx.raw('drop function note_later_push');
      await pause(12);
      await trx.schema.dropTable('later_pushes');
      await trx.raw('alter table repositories drop column colour');
      await pause(13);
    },
  },
  {
    name: '0901-later-table',
    contracts: process.env.LATER_STEPS_FINAL !== undefined,
    async up(trx) {
      await trx.schema.createTable('later_table', (table) => {
        table.increments('id');
      });
      await pause(5);
    },
    ...(process.env.LATER_STEPS_FINAL === undefined && {
      down: async (trx) => {
        await trx.schema.dropTable('later_table');
      },
    }),
  },
];

/** Environment of a program that has these steps. */
export const LATER_VERSION = { NODE_OPTIONS: `--import ${import.meta.url}` } as const;

async function pause(place: number): Promise<void> {
  if (process.env.LATER_STEPS_PAUSE !== String(place)) return;
  process.stderr.write(`pause ${place}\n`);
  await sleep(2 ** 30);
}

if (process.env.NODE_OPTIONS?.includes(import.meta.url)) {
  (CATALOG_MIGRATIONS.steps as Migration[]).push(...LATER_STEPS);
}
