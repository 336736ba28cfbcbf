import { EngineError } from '../../errors.ts';
import type { CapabilityOptions } from '../../oci-runner/capabilities.ts';
import type { SeccompSource } from '../../oci-runner/seccomp-types.ts';
import type { HostConfig } from '../container.ts';
import { parseSeccompSource } from './custom-seccomp.ts';

/** Maximum bytes of one line for the kernel. */
const PROFILE_NAME = /^[^\p{Cc}]{1,1024}$/u;

/** What `--security-opt` asks for, as far as the agent can do it. */
export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  /** A source is what the client sent as its own profile. */
  readonly seccomp: 'default' | 'unconfined' | SeccompSource;
  /** The name of an AppArmor profile, or `unconfined`; undefined: the usual one. */
  readonly apparmor: string | undefined;
}

/** Throws EngineError 'bad-request' for malformed options, 'not-implemented' for those that the agent lacks. */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  let noNewPrivileges = false;
  let seccomp: SecurityOptions['seccomp'] = 'default';
  let apparmor: string | undefined;
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
    } else if (name === 'apparmor' && value !== undefined && PROFILE_NAME.test(value)) {
      apparmor = value;
    } else if (name === 'label' && value === 'disable') {
      // Nothing to do: the agent does not confine with SELinux.
    } else if (name === 'label') {
      throw new EngineError(
        'not-implemented',
        'the security option label with this value is not supported: this agent does not confine with SELinux, so leave it out',
      );
    } else {
      throw new EngineError('bad-request', `invalid --security-opt 2: "${option.slice(0, 80)}"`);
    }
  }
  return { noNewPrivileges, seccomp, apparmor };
}

/** The fields of HostConfig that decide on a container's capabilities. */
export function capabilityOptions(hostConfig: HostConfig): CapabilityOptions {
  return { add: hostConfig.CapAdd, drop: hostConfig.CapDrop, privileged: hostConfig.Privileged };
}
