import { EngineError } from '../../errors.ts';

/** User and groups of a container's process. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** An image's /etc/passwd and /etc/group; '' if missing. */
export interface Accounts {
  readonly passwd: string;
  readonly group: string;
}

/** Maximum bytes that are read of each of them. */
export const MAX_ACCOUNTS_SIZE = 4 << 20;

const MAX_ID = 2 ** 31 - 1;

/**
 * Resolves `user`, `user:group`, `uid` or `uid:gid` against the accounts of the image. An explicit group replaces the
 * user's supplementary groups, except those in `groupAdd`. Missing names, and numbers out of range, throw EngineError
 * 'bad-request'.
 */
export function resolveUser(user: string, groupAdd: readonly string[], files: Accounts): ProcessUser {
  const accounts = parsePasswd(files.passwd);
  const groups = parseGroup(files.group);
  const colon = user.indexOf(':');
  const userPart = colon < 0 ? user : user.slice(0, colon);
  const groupPart = colon < 0 ? '' : user.slice(colon + 1);
  const wanted = userPart === '' ? '0' : userPart;

  const account =
    accounts.find((entry) => entry.name === wanted) ?? accounts.find((entry) => String(entry.uid) === wanted);
  const uid = account?.uid ?? parseId(wanted);
  if (uid === undefined) {
    throw new EngineError('bad-request', `unable to find user ${wanted}: no matching entries in passwd file`);
  }
  const gid = groupPart === '' ? (account?.gid ?? 0) : findGroup(groups, groupPart, 'unable');
  const memberships =
    groupPart === '' && account !== undefined
      ? groups.filter((entry) => entry.members.includes(account.name)).map((entry) => entry.gid)
      : [];
  const added = groupAdd.map((name) => findGroup(groups, name, 'Unable'));
  return {
    uid,
    gid,
    // Includes the primary group: otherwise a mode that denies access to the group would not hold for the caller of a
    // setgid program.
    additionalGids: [...new Set([gid, ...memberships, ...added])],
    home: account === undefined || account.home === '' ? '/' : account.home,
  };
}

/** Finds a group; dockerd's message begins with `Unable` only for --group-add. */
function findGroup(groups: readonly Group[], wanted: string, unable: 'unable' | 'Unable'): number {
  const gid =
    groups.find((entry) => entry.name === wanted)?.gid ??
    groups.find((entry) => String(entry.gid) === wanted)?.gid ??
    parseId(wanted);
  if (gid === undefined) {
    throw new EngineError(
      'bad-request',
      `${unable} to find group ${wanted}: no matching entries in group file`,
    );
  }
  return gid;
}

function parseId(text: string): number | undefined {
  if (!/^-?\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 0 || id > MAX_ID) {
    throw new EngineError('bad-request', `uids and gids must be in range 0-${MAX_ID}`);
  }
  return id;
}

function parsePasswd(text: string): readonly Account[] {
  const accounts: Account[] = [];
  for (const [name = '', , uid = '', gid = '', , home = ''] of records(text)) {
    if (!/^\d+$/.test(uid) || Number(uid) > MAX_ID) continue;
    accounts.push({ name, uid: Number(uid), gid: /^\d+$/.test(gid) ? Number(gid) : 0, home });
  }
  return accounts;
}

function parseGroup(text: string): readonly Group[] {
  const groups: Group[] = [];
  for (const [name = '', , gid = '', members = ''] of records(text)) {
    if (!/^\d+$/.test(gid) || Number(gid) > MAX_ID) continue;
    groups.push({ name, gid: Number(gid), members: members.split(',').filter((member) => member !== '') });
  }
  return groups;
}

function records(text: string): readonly (readonly string[])[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));
}
