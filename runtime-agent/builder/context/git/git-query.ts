import { EngineError } from '../../../errors.ts';

/** What the query of a repository's address says. */
export interface GitQuery {
  readonly ref: string | undefined;
  readonly folder: string | undefined;
  readonly checksum: string | undefined;
  readonly keepsHistory: boolean | undefined;
  readonly takesSubmodules: boolean;
}

/** Those that need no value. */
const SWITCHES = ['submodules', 'keep-git-dir'];
const KNOWN = ['ref', 'tag', 'branch', 'subdir', 'checksum', 'commit', ...SWITCHES];

/** Reads what follows the `?` (BuildKit, frontend/dockerfile/dfgitutil). Throws EngineError 'bad-request'. */
export function gitQuery(shown: string, query: string): GitQuery {
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
