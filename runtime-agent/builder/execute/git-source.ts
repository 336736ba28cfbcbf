import { checkedCommit, type GitUrl, isGitSource, parseGitUrl } from '../context/git/git-url.ts';
import type { CopyOp } from '../solver/step.ts';
import { SourceError } from './select-sources.ts';

/** A git repository that an ADD names, with what its flags say about it. Throws SourceError, EngineError 'bad-request'. */
export function gitSource(op: CopyOp, text: string): GitUrl {
  if (!op.isAdd) throw new SourceError(`source can't be a git ref for COPY: ${text.slice(0, 200)}`);
  const url = parseGitUrl(text);
  const { keepGitDir } = op;
  const checksum = op.checksum === undefined ? undefined : checkedCommit(op.checksum);
  if (keepGitDir !== undefined && url.keepsHistory !== undefined && keepGitDir !== url.keepsHistory) {
    throw new SourceError('--keep-git-dir and the address of the git repository say different things');
  }
  if (checksum !== undefined && url.checksum !== undefined && checksum !== url.checksum) {
    throw new SourceError(
      `the checksums ${checksum} and ${url.checksum} of the git repository are not the same`,
    );
  }
  return {
    ...url,
    keepsHistory: keepGitDir ?? url.keepsHistory,
    checksum: checksum ?? url.checksum,
  };
}

/** Refuses a checksum of what has none. Throws SourceError. */
export function refuseChecksum({ checksum, sources, documents }: CopyOp): void {
  if (checksum === undefined) return;
  if (sources.length + documents.length !== 1) {
    throw new SourceError("checksum can't be specified for multiple sources");
  }
  if (!sources.every((source) => isGitSource(source) || /^https?:\/\//i.test(source))) {
    throw new SourceError('checksum requires HTTP(S) or Git sources');
  }
}
