/**
 * The chains of what `nft list chains` prints that drop forwarded packets unless a rule of theirs says otherwise: a table's
 * "accept" does not overrule another's "drop". Each as `ip filter FORWARD`.
 */
export function droppingChains(listing: string): readonly string[] {
  let table = '';
  let chain = '';
  const found: string[] = [];
  for (const line of listing.split('\n')) {
    const [, name] = /^table (.+) \{$/.exec(line) ?? [];
    if (name !== undefined) table = name;
    const [, inner] = /^\tchain (\S+) \{$/.exec(line) ?? [];
    if (inner !== undefined) chain = inner;
    if (/^\t\ttype filter hook forward .*policy drop;/.test(line) && !/^(bridge|arp|netdev) /.test(table)) {
      found.push(`${table} ${chain}`);
    }
  }
  return found;
}
