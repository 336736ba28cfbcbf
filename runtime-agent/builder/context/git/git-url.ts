import { EngineError } from '../../../errors.ts';

/** A folder of a git repository, as `docker build` and ADD name it. */
export interface GitUrl {
  /** The URL for git: without query and fragment. It may contain a password. */
  readonly remote: string;
  /** The URL for messages. */
  readonly shown: string;
  /** A branch, a tag or a commit; undefined means the default branch. */
  readonly ref: string | undefined;
  /** Without a slash at either end; '' is the whole repository. */
  readonly folder: string;
  /** The required commit, or its first digits. */
  readonly checksum: string | undefined;
  /** Whether `.git` is included; undefined if the URL does not say. */
  readonly keepsHistory: boolean | undefined;
  readonly takesSubmodules: boolean;
  /** How git authenticates. */
  readonly transport: 'http' | 'ssh' | 'git';
}

const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;
/** The form in which scp names a file of another host. */
const SCP = /^([A-Za-z0-9_-]+)@([A-Za-z0-9.-]+):([^?#]*)/;
const GITHUB = /^github\.com\//i;
const HTTP_REPOSITORY = /^https?:\/\/[^?#]+\.git\/?(?:[?#]|$)/i;
const REF = /^[A-Za-z0-9_][\w./+@-]*$/;
const COMMIT = /^[0-9a-f]{1,64}$/i;

/** Reports whether a context is a git repository rather than a file (BuildKit, util/gitutil). */
export function isGitUrl(text: string): boolean {
  return GITHUB.test(text) || isGitSource(text);
}

/** Like isGitUrl, for a source of ADD, where `github.com/…` is a path of the context. */
export function isGitSource(text: string): boolean {
  return HTTP_REPOSITORY.test(text) || /^(?:git|ssh):\/\//i.test(text) || SCP.test(text);
}

/**
 * Reads `https://host/repository.git#ref:folder` and `…git?tag=v1&subdir=docs&checksum=…` (docker build, "Git repositories"). Throws
 * EngineError 'bad-request'.
 */
export function parseGitUrl(text: string): GitUrl {
  const { remote, query, fragment, transport } = partsOf(text);
  const shown = withoutPassword(remote);
  const asked = gitQuery(shown, query);
  const colon = fragment.indexOf(':');
  const before = colon < 0 ? fragment : fragment.slice(0, colon);
  const after = colon < 0 ? '' : fragment.slice(colon + 1);
  const ref = theOne(shown, 'ref', before, asked.ref);
  const folder = theOne(shown, 'subdir', folderPath(after), folderPath(asked.folder ?? ''));
  if (ref !== '' && (!REF.test(ref) || ref.includes('..'))) {
    throw new EngineError(
      'bad-request',
      `"${ref.slice(0, 80)}" is not a branch, tag or commit of a git repository`,
    );
  }
  return {
    remote,
    shown,
    ref: ref === '' ? undefined : ref,
    folder,
    checksum: asked.checksum === undefined ? undefined : checkedCommit(asked.checksum),
    keepsHistory: asked.keepsHistory,
    takesSubmodules: asked.takesSubmodules,
    transport,
  };
}

/** Returns the checksum of a git repository. Throws EngineError 'bad-request'. */
export function checkedCommit(checksum: string): string {
  if (COMMIT.test(checksum)) return checksum.toLowerCase();
  throw new EngineError(
    'bad-request',
    `"${checksum.slice(0, 80)}" is not a checksum of a git repository: write the commit, in hexadecimal digits`,
  );
}

function partsOf(text: string) {
  const none = () =>
    new EngineError(
      'bad-request',
      `${withoutPassword(text).slice(0, 200)} is not the address of a git repository`,
    );
  const scp = SCP.exec(text);
  if (!SCHEME.test(text) && scp !== null) {
    const [remote] = scp;
    const [query, fragment] = cut(text.slice(remote.length).replace(/^\?/, ''), '#');
    const isQuery = text[remote.length] === '?';
    const transport = 'ssh' as const;
    return { remote, query: isQuery ? query : '', fragment, transport };
  }
  const written = GITHUB.test(text) ? `https://${text}` : text;
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (url === undefined || url.hostname === '' || url.hostname.startsWith('-')) throw none();
  const transport = /^https?:$/.test(url.protocol) ? 'http' : url.protocol === 'ssh:' ? 'ssh' : 'git';
  const [remote] = written.split(/[?#]/, 1);
  const [, fragment] = cut(written, '#');
  try {
    return {
      remote: remote ?? '',
      query: url.search.slice(1),
      fragment: decodeURIComponent(fragment),
      transport: transport as GitUrl['transport'],
    };
  } catch {
    throw none();
  }
}

function cut(text: string, mark: string): readonly [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + mark.length)];
}

/** Merges a value that may be in the fragment and in the query. */
function theOne(shown: string, what: string, first: string, second = ''): string {
  if (first !== '' && second !== '' && first !== second) {
    throw new EngineError(
      'bad-request',
      `the address of the git repository ${shown} says two things about its ${what}: "${first.slice(0, 80)}" and "${second.slice(0, 80)}"`,
    );
  }
  return first === '' ? second : first;
}

function folderPath(folder: string): string {
  const names = folder.split('/').filter((name) => name !== '' && name !== '.');
  if (names.includes('..') || folder.includes('\0')) {
    throw new EngineError(
      'bad-request',
      `the folder "${folder.slice(0, 80)}" leads out of the git repository`,
    );
  }
  return names.join('/');
}

function withoutPassword(address: string): string {
  return address.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/i, (whole, scheme: string) =>
    /^ssh:/i.test(scheme) && !whole.includes(':', scheme.length) ? whole : `${scheme}xxxxx@`,
  );
}

/** The query of a repository's URL. */
interface GitQuery {
  readonly ref: string | undefined;
  readonly folder: string | undefined;
  readonly checksum: string | undefined;
  readonly keepsHistory: boolean | undefined;
  readonly takesSubmodules: boolean;
}

/** Parameters without a value. */
const SWITCHES = ['submodules', 'keep-git-dir'];
const KNOWN = ['ref', 'tag', 'branch', 'subdir', 'checksum', 'commit', ...SWITCHES];

/** Parses what follows the `?` (BuildKit, frontend/dockerfile/dfgitutil). Throws EngineError 'bad-request'. */
function gitQuery(shown: string, query: string): GitQuery {
  const refuse = (why: string) =>
    new EngineError('bad-request', `the address of the git repository ${shown} is wrong: ${why}`);
  const values = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!KNOWN.includes(name)) {
      throw refuse(`there is no "${name.slice(0, 80)}" in its query, but ${KNOWN.join(', ')}`);
    }
    if (values.has(name)) throw refuse(`"${name}" is there twice`);
    if (value === '' && !SWITCHES.includes(name)) throw refuse(`"${name}" has no value`);
    values.set(name, value);
  }
  const isOn = (name: string): boolean | undefined => {
    const value = values.get(name);
    if (value === undefined) return undefined;
    if (/^(|1|t|true)$/i.test(value)) return true;
    if (/^(0|f|false)$/i.test(value)) return false;
    throw refuse(`"${name}" is ${value.slice(0, 80)}, which is neither true nor false`);
  };
  const below = (name: string, folder: string) => {
    const value = values.get(name);
    return value === undefined || value.startsWith(folder) ? value : `${folder}${value}`;
  };
  const refs = [values.get('ref'), below('tag', 'refs/tags/'), below('branch', 'refs/heads/')];
  const different = new Set(refs.filter((ref) => ref !== undefined));
  if (different.size > 1) throw refuse(`it names both ${[...different].join(' and ')}`);
  const checksums = new Set(['checksum', 'commit'].flatMap((name) => values.get(name) ?? []));
  if (checksums.size > 1) throw refuse(`it names both commits ${[...checksums].join(' and ')}`);
  const [ref] = different;
  const [checksum] = checksums;
  return {
    ref,
    folder: values.get('subdir'),
    checksum,
    keepsHistory: isOn('keep-git-dir'),
    takesSubmodules: isOn('submodules') ?? true,
  };
}
