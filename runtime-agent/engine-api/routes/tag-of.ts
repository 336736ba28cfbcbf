import { readReference } from '../../../oci/distribution/errors.ts';
import { EngineError } from '../../errors.ts';
import type { TagName } from '../../images/image-record.ts';
import { refuseAmbiguousTag } from '../../images/image-service.ts';

/** Returns the name in `repo` and `tag` of a query; undefined without one. Throws EngineError 'bad-request'. */
export function tagOf(query: URLSearchParams): TagName | undefined {
  const text = query.get('repo') ?? '';
  const given = query.get('tag') ?? '';
  if (text === '') {
    if (given === '') return undefined;
    throw new EngineError('bad-request', 'a tag was given and no repository: name both');
  }
  const { registry, repository, tag, digest } = readReference(given === '' ? text : `${text}:${given}`);
  if (digest !== undefined || tag === undefined) {
    throw new EngineError('bad-request', 'refusing to create a tag with a digest reference');
  }
  refuseAmbiguousTag({ registry, repository });
  return { registry, repository, tag };
}
