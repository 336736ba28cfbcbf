import { KEPT_ACCOUNT_TABLES, KEPT_PROVIDERS } from '../../auth/kept-tables.ts';
import type { SideFiles } from '../../storage/blobs/side-files.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Database } from '../../storage/catalog/database.ts';
import { FLEET_TABLES } from '../../storage/recovery-copies/copied-tables.ts';
import { ROWS_FOLDER, type RowLine, readRowLine } from '../../storage/recovery-copies/read-rows.ts';
import { readLatestSnapshot } from '../../storage/recovery-copies/read-snapshot.ts';
import { restoreRows } from '../../storage/recovery-copies/restore-rows.ts';
import { snapshotTime } from '../../storage/recovery-copies/snapshot-names.ts';
import { openAccounts } from '../open-auth.ts';
import { count } from './progress.ts';

export interface AccountsRebuild {
  /** A new database, in an SQLite file, in which the repositories are restored. */
  readonly database: Database;
  readonly catalog: Catalog;
  readonly files: SideFiles;
  readonly say: (line: string) => void;
}

/** Names of the tables' contents, as in the commands. */
const WORDS: readonly (readonly [table: string, what: string])[] = [
  ['accounts', 'user'],
  ['teams', 'team'],
  ['role_grants', 'grant'],
  ['credentials', 'token'],
  ['logins', 'login'],
  ['job_rules', 'rule'],
  ['tag_rules', 'tag rule'],
  ['quotas', 'quota'],
];
/** Likewise, but mentioned only if there are any. */
const FLEET_WORDS: typeof WORDS = [
  ['hosts', 'host'],
  ['apps', 'app'],
];

/** Restores the copies of accounts and rules; returns the final messages, one sentence per line. */
export async function rebuildAccounts({
  database,
  catalog,
  files,
  say,
}: AccountsRebuild): Promise<{ readonly problems: number; readonly told: string[] }> {
  await openAccounts(database);
  const snapshot = await readLatestSnapshot(files, ROWS_FOLDER, readRowLine, (broken) =>
    say(`the copy of accounts and rules ${broken} is damaged: an earlier one is used`),
  );
  if (snapshot === undefined) {
    const lost =
      'no copy of accounts and rules lies beside the content: a backup has them (berth restore); without one, the next  ' +
      'start creates the user admin again, and the others must be created again';
    return { problems: 0, told: [lost] };
  }
  let problems = 0;
  const restored = await restoreRows({
    database,
    catalog,
    lines: snapshot.lines,
    tables: [...KEPT_ACCOUNT_TABLES, ...FLEET_TABLES],
    onProblem: (problem) => {
      problems += 1;
      say(problem);
    },
  });
  const fleet = FLEET_WORDS.filter(([table]) => restored.has(table));
  const all = [...WORDS, ...fleet].map(([table, what]) => count(restored.get(table) ?? 0, what)).join(', ');
  const told = [
    `accounts and rules are as of ${snapshotTime(snapshot.file)} (${ROWS_FOLDER}/${snapshot.file}): ${all}; what was ` +
      'changed or revoked after that must be changed again',
    ...snapshot.lines.flatMap(commandOf),
    'the audit log was only in the lost database; tokens of clients are invalid now, and they get new ones',
  ];
  return { problems, told };
}

/** Returns the command that recreates a row whose secret is stored nowhere. */
function commandOf({ table, row }: RowLine): readonly string[] {
  const { name, url, pattern, issuer } = row;
  if (table === 'webhooks') {
    const events = String(row.events)
      .split(',')
      .map((event) => `--event ${inShell(event)}`);
    return [
      `the webhook ${name} must be added again, with the secret that its receiver has: berth webhook add ${inShell(name)} ` +
        `${inShell(url)} ${events.join(' ')} --repository ${inShell(pattern)} --secret-stdin`,
    ];
  }
  if (table !== KEPT_PROVIDERS.name) return [];
  const groups = Object.entries(JSON.parse(String(row.groups))).map(
    ([group, team]) => ` --group ${inShell(`${group}=${team}`)}`,
  );
  return [
    `the provider ${name} must be added again, with the secret that it issued: berth provider add ${inShell(name)} ` +
      `--issuer ${inShell(issuer)} --client-id ${inShell(row.client_id)} --name-claim ${inShell(row.name_claim)} ` +
      `--groups-claim ${inShell(row.groups_claim)}${groups.join('')} --client-secret-stdin`,
  ];
}

/** Quotes a word for a shell. */
function inShell(word: unknown): string {
  const text = String(word);
  return /^[\w./:@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
