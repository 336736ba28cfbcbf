/**
 * Links blobs and puts manifests in the catalog whose file the first argument names, until it is killed. After
 * each put it prints the tag: from then on it must be there with all that it refers to.
 */
import { randomUUID } from 'node:crypto';
import { openSqliteCatalog } from '../../../../storage/catalog/knex-catalog.ts';
import { digestOf } from '../../../support/content.ts';

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: put-manifests FILE');
const catalog = await openSqliteCatalog({ file });
const blobOf = (text: string) => ({ digest: digestOf(text), size: text.length, location: text });

for (;;) {
  const tag = randomUUID();
  await catalog.blobs.link('team/app', blobOf(`layer ${tag}`));
  await catalog.manifests.put(
    'team/app',
    {
      blob: blobOf(`manifest ${tag}`),
      mediaType: 'application/json',
      references: [{ kind: 'layer', digest: digestOf(`layer ${tag}`) }],
    },
    { tags: [tag], requireManifests: true },
  );
  process.stdout.write(`${tag}\n`);
}
