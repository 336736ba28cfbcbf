const SECRET =
  /(?:^|_)(?:apikey|auth|credentials?|git_?auth_?token|key|password|pword|passwd|pwd|secret|token)(?:$|_)/i;
const PUBLIC = /(?:^|_)public(?:$|_)/i;

/** Whether the value of a variable is to be kept out of what others read, going by its name. */
export function isSecretName(name: string): boolean {
  return SECRET.test(name) && !PUBLIC.test(name);
}
