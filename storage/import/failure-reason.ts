/** Reasons by error code, where the system's own message does not say what to do. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no host with this name',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS: write http:// for plain HTTP',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS: write http:// for plain HTTP',
};
/** Codes of certificates whose authority is not trusted. */
const UNKNOWN_AUTHORITY = /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_)/;

/** Returns why a connection failed and what to do; some clients hide the reason in the cause. */
export function failureReason(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(inner instanceof Error)) return String(inner);
  const { code = '' } = inner as NodeJS.ErrnoException;
  if (UNKNOWN_AUTHORITY.test(code)) {
    return `${inner.message}: give the authority of its certificate with NODE_EXTRA_CA_CERTS=FILE`;
  }
  return REASONS[code] ?? (inner.message || code || inner.name);
}
