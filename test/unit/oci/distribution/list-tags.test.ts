import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { HttpResponse } from '../../../../oci/distribution/http-exchange.ts';
import { RegistryRepository } from '../../../../oci/distribution/registry-repository.ts';
import type { RegistrySession } from '../../../../oci/distribution/registry-session.ts';

/** Tags of a repository whose registry answers so, page after page. */
function tagsOf(answer: (path: string) => { readonly tags: readonly string[]; readonly link?: string }) {
  const send = async ({ target }: { readonly target: string }): Promise<HttpResponse> => {
    const { tags, link } = answer(target);
    const body = Readable.from([Buffer.from(JSON.stringify({ name: 'a', tags }))]);
    return { status: 200, headers: link === undefined ? {} : { link }, body } as unknown as HttpResponse;
  };
  const session = { send } as unknown as RegistrySession;
  return new RegistryRepository({ session, repository: 'a', familiarName: 'a' }).listTags(
    AbortSignal.timeout(60_000),
  );
}

test('tags are listed page after page', async () => {
  const tags = await tagsOf((path) =>
    path.includes('last=b%26')
      ? { tags: ['c'] }
      : { tags: ['a', 'b'], link: '</x?n=2&last=b%26>; rel="next"' },
  );
  assert.deepEqual(tags, ['a', 'b', 'c']);
});

test('a registry that lists without end is left', async () => {
  const page = Array.from({ length: 30_000 }, (_, index) => `${index}`.padStart(100, 'x'));
  const endless = tagsOf(() => ({ tags: page, link: '</x?last=a>; rel=next' }));
  await assert.rejects(endless, /has more tags than can be listed/);
});
