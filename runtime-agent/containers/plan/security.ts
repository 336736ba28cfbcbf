import { EngineError } from '../../errors.ts';
import { parseSeccompSource } from './custom-seccomp.ts';
import type { SeccompSource } from './seccomp-types.ts';

/** What `--security-opt` asks for, as far as the agent can do it. */
export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  /** A source is what the client sent as its own profile. */
  readonly seccomp: 'default' | 'unconfined' | SeccompSource;
}

/** Throws EngineError 'bad-request' for malformed options, 'not-implemented' for those that the agent lacks. */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  let noNewPrivileges = false;
  let seccomp: SecurityOptions['seccomp'] = 'default';
  for (const option of options) {
    const [, name = '', value] = /^([^=:]*)(?:[=:](.*))?$/s.exec(option) ?? [];
    if (name === 'no-new-privileges') {
      if (value !== undefined && value !== 'true' && value !== 'false') {
        throw new EngineError('bad-request', `invalid --security-opt 2: "${option.slice(0, 80)}"`);
      }
      noNewPrivileges = value !== 'false';
    } else if (name === 'seccomp' && value === 'unconfined') {
      seccomp = 'unconfined';
    } else if (name === 'seccomp' && value === 'builtin') {
      seccomp = 'default';
    } else if (name === 'seccomp' && value !== undefined) {
      seccomp = parseSeccompSource(value);
    } else if (isAlreadyTrue(name, value)) {
      // Nothing to do: the agent confines with neither AppArmor nor SELinux.
    } else if (['apparmor', 'label'].includes(name)) {
      throw new EngineError(
        'not-implemented',
        `the security option ${name} with this value is not supported: this agent confines with seccomp alone, so leave it out`,
      );
    } else {
      throw new EngineError('bad-request', `invalid --security-opt 2: "${option.slice(0, 80)}"`);
    }
  }
  return { noNewPrivileges, seccomp };
}

function isAlreadyTrue(name: string, value: string | undefined): boolean {
  return (name === 'apparmor' && value === 'unconfined') || (name === 'label' && value === 'disable');
}
