/**
 * The value of WWW-Authenticate that asks a client for credentials (RFC 9110, section 11.6.1). One challenge
 * for each header line: several clients read the first one only.
 */
export function authenticateChallenge(): string {
  return 'Basic realm="berth"';
}
