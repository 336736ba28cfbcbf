import type { Digest } from '../../oci/digest.ts';
import type { Precondition } from '../../storage/catalog/preconditions.ts';
import { RegistryError } from '../errors.ts';
import { entityTagsOf, matchesStrongly } from '../http/conditional.ts';
import type { RequestContext } from '../request-context.ts';

/** Throws RegistryError where a reader wants something else than what is there (RFC 9110, section 13.1.1). */
export function refuseMismatch(ctx: RequestContext, digest: Digest): void {
  const condition = ctx.get('If-Match');
  if (condition === '' || matchesStrongly(condition, digest)) return;
  throw new RegistryError('PRECONDITION_FAILED', `it is ${digest}, and not what If-Match expects`);
}

/** Of a request that changes something (RFC 9110, sections 13.1.1 and 13.1.2); undefined when it has no condition. */
export function preconditionOf(ctx: RequestContext): Precondition | undefined {
  const is = ctx.get('If-Match');
  const isNot = ctx.get('If-None-Match');
  if (is === '' && isNot === '') return undefined;
  return {
    ...(is !== '' && { is: digestsOf(is, 'strong') }),
    ...(isNot !== '' && { isNot: digestsOf(isNot, 'weak') }),
  };
}

function digestsOf(header: string, comparison: 'strong' | 'weak'): 'anything' | readonly string[] {
  const tags = entityTagsOf(header).filter(({ weak }) => comparison === 'weak' || !weak);
  return tags.some(({ text, quoted }) => text === '*' && !quoted) ? 'anything' : tags.map(({ text }) => text);
}
