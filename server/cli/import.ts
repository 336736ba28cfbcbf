import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { ContentStore } from '../../storage/content-store.ts';
import type { ImportReport } from '../../storage/import/import-blob.ts';
import { importRegistry } from '../../storage/import/import-registry.ts';
import { SourceContentError, SourceUnavailableError } from '../../storage/import/import-source.ts';
import { loadConfig } from '../config/config.ts';
import { recordDescription } from '../registry/repository-description.ts';
import { openImportSource } from './import-source.ts';
import { interruption, isRefusal } from './interruption.ts';
import { parseOptions, STORAGE_OPTIONS } from './parse-options.ts';
import { tellLine } from './printable.ts';
import { byteCount, count, Progress } from './progress.ts';
import { FORMAT_OPTION, parseFormat, printOne } from './remote/table.ts';
import { actAsOwner } from './stored-config.ts';
import { openStoredRegistry } from './stored-registry.ts';

const DEFAULT_JOBS = 4;
const MOST_JOBS = 64;

/**
 * `berth import`: copies repositories of another registry, beside a running server or into a new folder. Exit code 0
 * when everything was imported, 1 when something could not be, or it was interrupted.
 */
export async function importFrom(args: readonly string[]): Promise<number> {
  const {
    from,
    user,
    untagged,
    jobs,
    repository,
    format: wanted,
    ...flags
  } = parseOptions(args, {
    from: { type: 'string' },
    repository: { type: 'string', multiple: true },
    user: { type: 'string' },
    untagged: { type: 'boolean' },
    jobs: { type: 'string' },
    ...FORMAT_OPTION,
    ...STORAGE_OPTIONS,
  });
  const format = parseFormat(wanted);
  if (from === undefined)
    throw new ConfigError('the source of the import is missing: give --from FOLDER or --from URL');
  const config = loadConfig({ flags, env: process.env, isRoot: process.getuid?.() === 0 });
  trustSystemAuthorities();
  const source = await openImportSource(from, user, process.env);
  if (untagged === true && source.manifests('', AbortSignal.abort()) === undefined) {
    throw new ConfigError(
      '--untagged is for the storage of docker-registry: registries do not list such manifests',
    );
  }
  const jobCount = parseJobs(jobs);
  // The source, and the login for it, may be readable for root alone.
  actAsOwner(config.data);
  await using registry = await openStoredRegistry(config, { make: true });
  const { catalog, blobs } = registry;
  const signal = interruption();
  const progress = new Progress();
  const problems: string[] = [];
  /** Prints a line, or an object in the format jsonl; the format json prints only the summary. */
  const say = (line: string, value: object) => {
    progress.clear();
    if (format !== 'json') printOne(format, value, () => [line]);
  };
  let showing: NodeJS.Timeout | undefined;
  let total: number | undefined;
  try {
    const report = await importRegistry({
      source,
      catalog,
      blobs,
      content: new ContentStore(catalog, blobs),
      ...(repository !== undefined && { repositories: repository }),
      untagged: untagged === true,
      jobs: jobCount,
      signal,
      onProblem: (problem) => {
        if (format === 'json') problems.push(problem);
        say(`not imported: ${problem}`, { problem });
      },
      onTagged: (name, manifest) => recordDescription({ catalog, blobs }, name, manifest),
      onListed: (repositories) => {
        total = repositories;
      },
      onStart: (name, before, current) => {
        clearInterval(showing);
        showing = setInterval(() => {
          const bytes = byteCount(before.bytes + current.bytes);
          progress.show(`${name}: ${contents(current)}; ${bytes} in all`, {
            done: before.repositories,
            total,
            unit: 'repositories',
          });
        }, 250);
      },
      onRepository: (name, { tags, manifests, blobs, bytes }) => {
        const done = { tags, manifests, blobs, bytes };
        say(`${name}: ${contents(done)}`, { repository: name, ...done });
      },
    });
    progress.clear();
    printOne(format, format === 'json' ? { ...report, problems } : report, () => [
      `${count(report.repositories, 'repository')}: ${contents(report)}${problemsOf(report)}`,
    ]);
    return report.problems === 0 ? 0 : 1;
  } catch (error) {
    progress.clear();
    const why = signal.aborted ? 'interrupted' : reasonToStop(error);
    if (why === undefined) throw error;
    tellLine(`berth: ${why}: run the same command again to continue`);
    return 1;
  } finally {
    clearInterval(showing);
    progress.clear();
  }
}

function parseJobs(text: string | undefined): number {
  const jobs = Number(text ?? DEFAULT_JOBS);
  if (Number.isInteger(jobs) && jobs >= 1 && jobs <= MOST_JOBS) return jobs;
  throw new ConfigError(`"${text}" is not a number of jobs: write 1 to ${MOST_JOBS}`);
}

/**
 * Trusts the system's authorities: private registries often use one that only the machine's administrator has
 * installed.
 */
function trustSystemAuthorities(): void {
  setDefaultCACertificates([...new Set([...getCACertificates('default'), ...getCACertificates('system')])]);
}

type Contents = Pick<ImportReport, 'tags' | 'manifests' | 'blobs' | 'bytes'>;

function contents({ tags, manifests, blobs, bytes }: Readonly<Contents>): string {
  return `${count(tags, 'tag')}; new: ${count(manifests, 'manifest')}, ${count(blobs, 'blob')} (${byteCount(bytes)})`;
}

function problemsOf({ problems }: Readonly<ImportReport>): string {
  return problems === 0 ? '' : `; ${count(problems, 'problem')}: see above`;
}

function reasonToStop(error: unknown): string | undefined {
  const isSource = error instanceof SourceContentError || error instanceof SourceUnavailableError;
  return isSource || isRefusal(error) ? error.message : undefined;
}
