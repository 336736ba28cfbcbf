import { EngineError } from '../../errors.ts';
import type { SeccompSource } from '../../oci-runner/bundle.ts';
import type { CapabilityOptions } from '../../oci-runner/capabilities.ts';
import type { HostConfig } from '../host-config.ts';

/** A profile name: one line, with at most as many bytes as the kernel accepts. */
const PROFILE_NAME = /^[^\p{Cc}]{1,1024}$/u;

/** Parsed `--security-opt` options. */
export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  /** A source is a profile that the client has sent. */
  readonly seccomp: 'default' | 'unconfined' | SeccompSource;
  /** The name of an AppArmor profile, or `unconfined`; undefined means the default. */
  readonly apparmor: string | undefined;
}

/**
 * Parses `--security-opt`. Throws EngineError 'bad-request' for malformed options, and 'not-implemented' for unsupported
 * ones.
 */
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

/** A profile as clients send it, with `archMap` or a list of architectures. */
interface SourceText extends Partial<SeccompSource> {
  readonly architectures?: readonly string[] | null;
  readonly flags?: readonly string[] | null;
  readonly listenerPath?: string;
}

/**
 * Parses a seccomp profile in Docker's form, which clients send for `--security-opt seccomp=FILE`. Throws EngineError
 * 'bad-request' for an invalid profile, and 'not-implemented' for one with a listener.
 */
function parseSeccompSource(text: string): SeccompSource {
  let source: SourceText;
  try {
    source = JSON.parse(text) as SourceText;
  } catch (cause) {
    return refuse(`Decoding seccomp profile failed: ${(cause as Error).message.slice(0, 200)}`, cause);
  }
  const { defaultAction, syscalls, archMap, architectures } = source ?? {};
  if (typeof defaultAction !== 'string' || !defaultAction.startsWith('SCMP_ACT_')) {
    refuse('Decoding seccomp profile failed: defaultAction must be one of SCMP_ACT_…');
  }
  if (archMap?.length && architectures?.length) {
    refuse("both 'architectures' and 'archMap' are specified in the seccomp profile, use either");
  }
  if (source.listenerPath) {
    throw new EngineError(
      'not-implemented',
      'a seccomp profile with listenerPath is not supported by berth-agent',
    );
  }
  const rules: unknown = syscalls ?? [];
  if (!Array.isArray(rules) || !rules.every(isRule)) {
    refuse('Decoding seccomp profile failed: syscalls must be a list of rules with names and an action');
  }
  return {
    defaultAction: source.defaultAction as string,
    ...(source.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: source.defaultErrnoRet }),
    archMap:
      archMap ?? (architectures ?? []).map((architecture) => ({ architecture, subArchitectures: null })),
    syscalls: rules.map(({ name, ...rule }) => ({ ...rule, names: rule.names ?? [name] })),
  };
}

function isRule(rule: unknown): boolean {
  if (typeof rule !== 'object' || rule === null) return false;
  const { name, names, action } = rule as { name?: unknown; names?: unknown; action?: unknown };
  const named = Array.isArray(names)
    ? names.every((item) => typeof item === 'string')
    : typeof name === 'string';
  return named && typeof action === 'string';
}

function refuse(message: string, cause?: unknown): never {
  throw new EngineError('bad-request', message, { cause });
}
