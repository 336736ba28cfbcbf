/** What `# check=…`, or the build argument BUILDKIT_DOCKERFILE_CHECK, asks for (reference, "check"). */
export interface CheckOptions {
  /** Names of rules that are not looked at. */
  readonly skip: ReadonlySet<string> | 'all';
  /** Whether a finding fails the build. */
  readonly failsBuild: boolean;
}

/** Reads `skip=RuleOne,RuleTwo;error=true`. Throws a SyntaxError that says what is wrong. */
export function parseCheckOptions(text: string): CheckOptions {
  let skip: CheckOptions['skip'] = new Set();
  let failsBuild = false;
  for (const part of text.split(';').map((each) => each.trim())) {
    if (part === '') continue;
    const [name = '', value = ''] = part.split('=', 2).map((word) => word.trim());
    if (name === 'skip') {
      const rules = value
        .split(',')
        .map((rule) => rule.trim())
        .filter(Boolean);
      skip = rules.includes('all') ? 'all' : new Set(rules);
    } else if (name === 'error') {
      if (value !== 'true' && value !== 'false') {
        throw new SyntaxError(`failed to parse check option "error=${value}": it is true or false`);
      }
      failsBuild = value === 'true';
    } else if (name !== 'experimental') {
      throw new SyntaxError(`invalid check option "${name.slice(0, 40)}": there are skip and error`);
    }
  }
  return { skip, failsBuild };
}
