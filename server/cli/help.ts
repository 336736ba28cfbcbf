import { optionHelp, settingsHelp } from '../../lib/settings/describe-settings.ts';
import { SETTINGS } from '../config/settings.ts';
import { ACCOUNTS_HELP } from './accounts-help.ts';
import { CONTENT_HELP } from './content/content-help.ts';
import { FLEET_HELP } from './fleet/fleet-help.ts';

/** `berth --help`. */
export const HELP = `Berth, a private OCI registry.

Usage: berth serve [options]            run the registry
       berth user | team | grant        people, their teams, and who may do what
       berth rule                       jobs of other systems, which need no secret
       berth provider                   OpenID Connect providers whose people log in
       berth login URL                  log docker in to a registry, in a browser
       berth token | robot              tokens of people, accounts of programs
       berth webhook                    receivers of events in repositories
       berth tag-rule | quota           immutable and protected tags, limits of bytes
       berth audit [options]            who did what, and what was refused
       berth gc [options]               collect garbage, also beside a running registry
       berth fsck [options]             verify all content, also beside a running registry
       berth import [options]           copy repositories of another registry, also beside a running registry
       berth backup [options]           make or update a backup, also beside a running registry
       berth restore [options]          fill an empty data folder from a backup
       berth catalog upgrade [options]  bring the tables of the database up to date
       berth upgrade --check            what this version changes in the database of an earlier one
       berth downgrade --to VERSION     prepare the database for an earlier version, while no registry runs
       berth catalog rebuild [options]  restore a lost database from the content, while no registry runs
       berth catalog migrate            copy the database into PostgreSQL or back, while no registry runs
       berth support-bundle [options]   a file without secrets for those who help

Content, also from another machine:
       berth repo ls | du | rm          repositories, and what they take
       berth tag ls | inspect | diff    tags and what they name
       berth tag cp | rm | restore      copy tags; delete them with their consequences told, and take that back
       berth manifest ls | inspect | rm  manifests, with a tag or without
       berth context ls | use | rm      registries of "berth login"
       berth completion SHELL           completion of these words for bash, zsh and fish

Apps on hosts, also from another machine:
       berth host                       the machines that run apps; berth hosts lists them
       berth deploy APP FILE            bring a Compose file to the hosts of an app
       berth apps | ps | logs | exec    what runs, and what it does
       berth history | rollback | follow  releases of an app, and how it gets them
       berth restart | scale | rm       change or remove an app
       berth secret                     secrets of an app
       berth running DIGEST|IMAGE       which apps and hosts run an image

  berth COMMAND --help  lists the options of a command
  berth --version       prints the version
`;

/** Options that every command has. */
const COMMON = `  --data DIR            the data folder of the registry (default: what BERTH_DATA says, otherwise
                        /var/lib/berth for root, $XDG_DATA_HOME/berth or ~/.local/share/berth for others)
  --database URL        where its catalog is in PostgreSQL (default: what BERTH_DATABASE says, or the data folder)
  --storage URL         where its blobs are on S3 (default: what BERTH_STORAGE says, or the data folder)
  --config FILE         the configuration file of the registry
`;

/** `berth COMMAND --help`. */
export const COMMAND_HELP = {
  serve: `Runs the registry until SIGTERM or SIGINT.

Usage: berth serve [options]

Each option has an environment variable that does the same, and one that ends in _FILE and names a file with the
value, such as BERTH_DATABASE_FILE or BERTH_ADMIN_PASSWORD_FILE. Do not put secrets on a command line: everybody on
the machine can read it.

${settingsHelp(SETTINGS)}${optionHelp('--config FILE', 'JSON object with these options as keys, without their dashes, such as listen and gcInterval; lists may be arrays')}
Flags win over the environment, and that over the file. BERTH_ADMIN_PASSWORD sets the password of the user "admin"
at the first start. Without it a password is made and printed once. HTTP_PROXY, HTTPS_PROXY and NO_PROXY name the
proxies to S3, webhooks, identity providers and other registries, for all commands. /healthz and /readyz
answer without a password. The log has 100 successful GET and HEAD requests a second, 50 refused ones and 200
others; beyond that one in 100, whose "unlogged" counts the rest.
`,
  audit: `Lists who did what, and what was refused: a table on a terminal, jsonl elsewhere (as in GET /api/v1/audit),
the oldest first. It works beside a running registry.

Usage: berth audit [options]

  --who NAME            what this person, robot or job did
  --action ACTION       push, mount, delete, pull, manage (a change of accounts and rules) or login
  --outcome OUTCOME     done, denied (who asked may not) or unauthorized (nobody knew who asked)
  --repository PATTERN  in which repositories, such as team/*
  --since TIME          from then on: 2026-11-27, 2026-11-27T08:00Z, or so long ago, such as 2h or 7d
  --until TIME          before then, in the same forms
  --limit NUMBER|all    the latest so many (default 100)
  --format FORMAT       table, json (one document) or jsonl (an object for each line); --json is the same as jsonl
  --data DIR, --database URL and --config FILE, as berth serve has them
Times are UTC. What is older than --audit-retention of berth serve is gone.
`,
  login: `Logs docker, podman and the like in to a registry, by a browser on any machine: it shows a code and an address, waits
until somebody confirms the code there, and keeps the personal token that it gets where docker looks for it:
$DOCKER_CONFIG/config.json (default ~/.docker/config.json), or the credential helper that this names. Exit code 1: it
was refused, or nobody confirmed in time.

Usage: berth login https://REGISTRY [options]

  --name TEXT           what the token is for, as the list of tokens shows it (default: the name of this machine)
  --ca FILE             trust the certificate authorities in this PEM file as well (default: what BERTH_CA says)
  --insecure            allow http:// to another machine
Commands about apps and hosts use this registry from now on, unless they have --server.
`,
  gc: `Collects garbage, also beside a running registry. Exit code 1: it was interrupted, or another
garbage collection runs.

Usage: berth gc [options]

${COMMON}  --grace TIME          collect garbage this long after last use: a push, a HEAD by a pusher, a delete (default
                        24h); below 2h a running push may fail and have to be repeated
  --uploads TIME        delete unfinished uploads this long after last use (default 24h)
  --untagged            also delete manifests without a tag that no index refers to
  --dry-run             only print what would be deleted
  --format FORMAT       table, json or jsonl; default: table
`,
  fsck: `Verifies everything that is kept, also beside a running registry. Exit code 1: something is damaged.

Usage: berth fsck [options]

${COMMON}  --repair              repair what can be repaired; move other damage to quarantine/, so that it can be
                        pushed again
  --format FORMAT       table, json (one document), or jsonl (each finding as it is found, and the summary)
`,
  import: `Copies repositories of another registry, also beside a running registry.

Usage: berth import --from SOURCE [options]

${COMMON}  --from SOURCE         the URL of a registry; or the rootdirectory in which docker-registry keeps its storage, or its
                        bucket as s3://BUCKET/PREFIX?region=REGION&endpoint=https://HOST (credentials as AWS has them)
  --repository NAME     only this repository; repeat it for more (default: all)
  --user NAME           log in with the password in BERTH_IMPORT_PASSWORD (default: what docker login has kept)
  --untagged            also manifests without a tag, which only a storage can list
  --jobs NUMBER         things to read at once, 1 to 64 (default 4)
  --format FORMAT       table, json (the summary as one document), or jsonl (each repository and each problem as it
                        comes, and the summary)
`,
  backup: `Brings a backup up to date, also beside a running registry. Only content that is not there yet is copied, and
verified on the way. It holds every push that was answered before it began. Exit code 1: something is damaged, or it
was interrupted and the backup is unchanged.

Usage: berth backup --to FOLDER [options]         make or update one
       berth backup verify --from FOLDER [options]  read every byte of one, as a restore would; exit code 1:
                                                  something is damaged, or it is older than --max-age

${COMMON}  --to FOLDER           the backup; it has the form of a data folder
  --content             also the content of a bucket (content of the data folder is always included)
  --from FOLDER         the backup to verify
  --max-age TIME        how old it may be at most, such as 26h
  --format FORMAT       table, json or jsonl; default: table
`,
  restore: `Fills an empty registry from a backup, and verifies every byte of it. Exit code 1: something is damaged.

Usage: berth restore --from FOLDER [options]

${COMMON}  --from FOLDER         the backup
  --format FORMAT       table, json or jsonl; default: table
`,
  upgrade: `Tells what this version changes in the database of an earlier one, also beside a running registry; it changes
nothing. The start of the registry runs these steps, and copies an SQLite database before. Exit code 0: there is nothing to
change; 1: there is; 2: the database or a setting cannot be read, or it is of a later version.

Usage: berth upgrade --check [options]

${COMMON}  --format FORMAT       table, json or jsonl; default: table
`,
  'support-bundle': `Writes a .tar.gz for those who help: version, settings, system, memory, disk, counts of the database, metrics and the
end of the log. It has no secrets and no content of repositories, but their names. The registry may run or not, and parts
that cannot be read are told in the file. Only its owner can read it. Give it the options of "berth serve".

Usage: berth support-bundle [options]

${COMMON}  --output FILE         the file to write (default: berth-support-DATE-TIME.tar.gz here)
  --log FILE            the log of the registry (default: the journal of berth.service)
`,
  downgrade: `Undoes the steps by which later versions have changed the database, so that an earlier version starts. It keeps
what was written since. It needs the program of the later version, and no registry may run. Exit code 2: it was refused,
and nothing has changed.

Usage: berth downgrade --to VERSION|STEP [options]

${COMMON}  --to VERSION|STEP     the version to go back to, such as 0.1.0, or the last step that stays; repeatable
`,
  catalog: `Works on the database.

Usage: berth catalog rebuild [options]  restore a lost one from the content and the copies beside it (names;
                                        accounts, roles, tokens, rules and quotas), while no registry runs; with
                                        --database into that one, which is empty (exit code 1: something is missing)
       berth catalog upgrade [options]  bring its tables up to date, as the start of a registry does
       berth catalog migrate --from FOLDER --to URL, or --from URL --to FOLDER
                                        copy catalog and accounts from a data folder into an empty PostgreSQL
                                        database, or back, while no registry runs; content stays where it is

${COMMON}  --force               rebuild also when there is one with content, which is kept beside the new one
`,
  ...ACCOUNTS_HELP,
  ...CONTENT_HELP,
  ...FLEET_HELP,
} as const;
