import { isRepositoryName } from '../../oci/reference.ts';
import { emptyReport, type ImportReport } from './import-blob.ts';
import { type RepositoryImport, RepositoryImporter } from './import-repository.ts';
import { SourceContentError } from './import-source.ts';

export interface ImportRun extends Omit<RepositoryImport, 'repository' | 'report'> {
  /** Repositories to import; all by default. */
  readonly repositories?: readonly string[];
  /** Called at the beginning with the number of repositories. */
  readonly onListed?: (repositories: number) => void;
  /** Called when a repository is complete, with its own report. */
  readonly onRepository: (repository: string, report: Readonly<ImportReport>) => void;
  /** Called at the start of each repository, with the report so far and its own report. */
  readonly onStart: (
    repository: string,
    before: Readonly<ImportReport>,
    current: Readonly<ImportReport>,
  ) => void;
}

/**
 * Copies repositories with everything that their tags reach and all referrers. Existing content is not copied again, so
 * a repeated import continues an interrupted one, or catches up; it deletes nothing here. Missing or damaged content of
 * the source is reported, each in one sentence, and the rest is imported. Throws SourceUnavailableError,
 * StorageFullError, the signal's reason.
 */
export async function importRegistry(run: ImportRun): Promise<ImportReport> {
  const total = emptyReport();
  const onProblem = (problem: string) => {
    total.problems += 1;
    run.onProblem(problem);
  };
  const names = run.repositories ?? (await Array.fromAsync(run.source.repositories(run.signal)));
  run.onListed?.(names.length);
  for (const repository of names) {
    run.signal.throwIfAborted();
    if (!isRepositoryName(repository)) {
      onProblem(`${JSON.stringify(repository.slice(0, 300))} is not a valid repository name: it is skipped`);
      continue;
    }
    const report = emptyReport();
    run.onStart(repository, { ...total }, report);
    const { problems } = total;
    try {
      await new RepositoryImporter({ ...run, repository, report, onProblem }).run();
    } catch (error) {
      if (!(error instanceof SourceContentError)) throw error;
      onProblem(`${repository}: ${error.message}`);
    }
    const isEmpty = report.tags === 0 && !run.untagged && total.problems === problems;
    if (run.repositories !== undefined && isEmpty) {
      onProblem(`${repository}: the source has no such repository, or no tags in it`);
    }
    total.repositories += 1;
    for (const key of ['tags', 'manifests', 'blobs', 'bytes'] as const) total[key] += report[key];
    run.onRepository(repository, report);
  }
  return total;
}
