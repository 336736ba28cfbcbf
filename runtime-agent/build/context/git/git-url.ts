import { EngineError } from '../../../errors.ts';

/** A folder of a git repository, as `docker build` names it. */
export interface GitUrl {
  /** Without the fragment. */
  readonly remote: string;
  /** A branch, a tag or a commit; undefined is what the repository itself has checked out. */
  readonly ref: string | undefined;
  /** Without a slash at either end; '' is the whole repository. */
  readonly folder: string;
}

const HTTP = /^https?:\/\/[^#]+\.git\/?(?:#|$)/i;
const GIT = /^git:\/\//i;
const GITHUB = /^github\.com\//i;
const SSH = /^(?:ssh:\/\/|[\w.-]+@[\w.-]+:)/i;
const REF = /^[A-Za-z0-9_][\w./+@-]*$/;

/** Whether a context is a git repository rather than a file (BuildKit, util/gitutil). */
export function isGitUrl(text: string): boolean {
  return [HTTP, GIT, GITHUB, SSH].some((form) => form.test(text));
}

/** Reads `https://host/repository.git#ref:folder`. Throws EngineError 'bad-request' for what is not fetched. */
export function parseGitUrl(text: string): GitUrl {
  const shown = text.slice(0, 200);
  if (SSH.test(text)) {
    throw new EngineError(
      'bad-request',
      `the git repository ${shown} needs an SSH key, of which this agent has none: name it by https, or build in a clone of it`,
    );
  }
  const hash = text.indexOf('#');
  const [written, fragment] = hash < 0 ? [text, ''] : [text.slice(0, hash), text.slice(hash + 1)];
  const remote = GITHUB.test(written) ? `https://${written}` : written;
  if (!URL.canParse(remote))
    throw new EngineError('bad-request', `${shown} is no address of a git repository`);
  const colon = fragment.indexOf(':');
  const [ref, folder] = colon < 0 ? [fragment, ''] : [fragment.slice(0, colon), fragment.slice(colon + 1)];
  if (ref !== '' && (!REF.test(ref) || ref.includes('..'))) {
    throw new EngineError(
      'bad-request',
      `"${ref.slice(0, 80)}" is no branch, tag or commit of a git repository`,
    );
  }
  const names = folder.split('/').filter((name) => name !== '' && name !== '.');
  if (names.includes('..') || folder.includes('\0')) {
    throw new EngineError(
      'bad-request',
      `the folder "${folder.slice(0, 80)}" leads out of the git repository`,
    );
  }
  return { remote, ref: ref === '' ? undefined : ref, folder: names.join('/') };
}
