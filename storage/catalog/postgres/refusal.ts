/** Explanations of PostgreSQL's error codes (its manual, appendix A) for the author of the URL. */
const CODES: Readonly<Record<string, string>> = {
  '28P01': 'it refuses the password',
  '28000': 'it does not let this user in (pg_hba.conf)',
  '3D000': 'there is no database with this name: create it first',
  '42501': 'the user has too few rights in it',
  '53300': 'it takes no more connections: raise max_connections',
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no host with this name',
  ENOENT: 'there is no socket at this path',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not one that sslrootcert or the system trusts',
};

/** Returns a sentence that says why a database cannot be opened, without the password in its URL. */
export function refusalOf(url: string, error: unknown): string {
  const { username, host, pathname, searchParams } = new URL(url);
  const where = host === '' ? (searchParams.get('host') ?? 'localhost') : host;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const said = error instanceof Error ? error.message : String(error);
  const who = username === '' ? '' : ` as ${decodeURIComponent(username)}`;
  return (
    `the database ${decodeURIComponent(pathname.slice(1))} at ${where} cannot be opened${who}: ` +
    `${CODES[code] ?? said}`
  );
}
