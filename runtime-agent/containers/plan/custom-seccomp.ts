import { EngineError } from '../../errors.ts';
import type { SeccompSource } from '../../oci-runner/seccomp-types.ts';

/** The native architectures by which a profile without `archMap` is known to hold for this machine. */
interface SourceText extends Partial<SeccompSource> {
  readonly architectures?: readonly string[] | null;
  readonly flags?: readonly string[] | null;
  readonly listenerPath?: string;
}

/**
 * The text of a profile of Docker's (`--security-opt seccomp=FILE`, whose content the client sends). Throws EngineError
 * 'bad-request' for what is none, 'not-implemented' for one with a listener.
 */
export function parseSeccompSource(text: string): SeccompSource {
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
