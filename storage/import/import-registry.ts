import { isRepositoryName } from '../../oci/reference.ts';
import { emptyReport, type ImportReport } from './import-blob.ts';
import { type RepositoryImport, RepositoryImporter } from './import-repository.ts';
import { SourceContentError } from './import-source.ts';

export interface ImportRun extends Omit<RepositoryImport, 'repository' | 'report'> {
  /** Those that are wanted; all unless given. */
  readonly repositories?: readonly string[];
  /** Called at the beginning with the number of repositories. */
  readonly onListed?: (repositories: number) => void;
  /** Called when a repository is through, with what was done in it alone. */
  readonly onRepository: (repository: string, report: Readonly<ImportReport>) => void;
  /** Called with each repository that begins, and what has been done before it and is being done in it. */
  readonly onStart: (
    repository: string,
    before: Readonly<ImportReport>,
    current: Readonly<ImportReport>,
  ) => void;
}

/**
 * Copies repositories with all that their tags lead to and all that refers to it. What is here already is not
 * copied again, so an import that was interrupted goes on when it is run again, and one that is run later
 * catches up; nothing is deleted here. What is missing or damaged in the source is told, each in one sentence,
 * and the rest is brought. Throws SourceUnavailableError, StorageFullError, the signal's reason.
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
      onProblem(`${JSON.stringify(repository.slice(0, 300))} is not a repository name here: it is left out`);
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
