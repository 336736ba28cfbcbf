/** Changes the permission bits of a copied file or folder. */
export type FileModeChange = (mode: number, isFolder: boolean) => number;

const OCTAL = /^[0-7]{1,5}$/;
const MOST = 0o7777;
const CLAUSE = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/;
/** Bits of each class; set-ID and sticky bits are above these. */
const CLASSES: Readonly<Record<string, { readonly shift: number; readonly special: number }>> = {
  u: { shift: 6, special: 0o4000 },
  g: { shift: 3, special: 0o2000 },
  o: { shift: 0, special: 0o1000 },
};
const BITS: Readonly<Record<string, number>> = { r: 4, w: 2, x: 1 };

/** Parses `0755`, or `u=rwX,go-w` as chmod(1) reads it with no umask; undefined if it is neither. */
export function fileModeChange(text: string): FileModeChange | undefined {
  if (OCTAL.test(text)) {
    const fixed = Number.parseInt(text, 8);
    return fixed > MOST ? undefined : () => fixed;
  }
  const changes: FileModeChange[] = [];
  for (const clause of text.split(',')) {
    const [, who = '', actions] = CLAUSE.exec(clause) ?? [];
    if (actions === undefined) return undefined;
    const classes = who === '' || who.includes('a') ? ['u', 'g', 'o'] : [...new Set(who)];
    for (const [, operator = '', given = ''] of actions.matchAll(/([-+=])([^-+=]*)/g)) {
      changes.push((mode, isFolder) => changed(mode, isFolder, { classes, operator, given }));
    }
  }
  return (mode, isFolder) => changes.reduce((bits, change) => change(bits, isFolder), mode);
}

function changed(
  mode: number,
  isFolder: boolean,
  {
    classes,
    operator,
    given,
  }: { readonly classes: readonly string[]; readonly operator: string; readonly given: string },
): number {
  let meant = 0;
  let cleared = 0;
  for (const name of classes) {
    const { shift = 0, special = 0 } = CLASSES[name] ?? {};
    cleared |= (7 << shift) | special;
    meant |= bitsOf(mode, isFolder, given) << shift;
    if (given.includes('s') && name !== 'o') meant |= special;
    if (given.includes('t') && name === 'o') meant |= special;
  }
  if (operator === '+') return mode | meant;
  return operator === '-' ? mode & ~meant : (mode & ~cleared) | meant;
}

/** Returns the bits of one class, from 0 to 7. */
function bitsOf(mode: number, isFolder: boolean, given: string): number {
  const from = CLASSES[given];
  if (from !== undefined) return (mode >> from.shift) & 7;
  let bits = 0;
  for (const letter of given) bits |= BITS[letter] ?? 0;
  return given.includes('X') && (isFolder || (mode & 0o111) !== 0) ? bits | 1 : bits;
}
