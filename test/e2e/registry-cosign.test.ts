import assert from 'node:assert/strict';
import { createHash, createPublicKey } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Cosign, setUpCosign } from '../support/cosign.ts';
import { sendRequest } from '../support/http-client.ts';
import { imageFolder } from '../support/image-cache.ts';
import { pushLayout } from '../support/push-layout.ts';
import { type RegistryProcess, startRegistry } from '../support/registry-process.ts';
import { makeBusyboxImage } from '../support/test-images.ts';

const options = { timeout: 900_000 };

interface Signer extends Cosign {
  readonly registry: RegistryProcess;
  /** `HOST:PORT/team/app@sha256:…`. */
  readonly image: string;
  readonly digest: string;
}

async function withImage(t: TestContext): Promise<Signer> {
  const registry = await startRegistry(t);
  const image = await makeBusyboxImage(await imageFolder(t));
  await pushLayout(image, `${registry.host}/team/app:1`);
  const { digest } = image;
  return { ...(await setUpCosign(t)), registry, image: `${registry.host}/team/app@${digest}`, digest };
}

async function tagsOf({ registry }: Signer, name = 'team/app'): Promise<readonly string[]> {
  const { body } = await sendRequest(`${registry.url}/v2/${name}/tags/list`);
  return (JSON.parse(body.toString()) as { tags: string[] }).tags;
}

test('cosign signs and verifies; what nobody signed is refused', options, async (t) => {
  const signer = await withImage(t);
  const { cosign, image, digest } = signer;
  const unsigned = await cosign(['verify', image], { expectExit: 'any' });
  assert.notEqual(unsigned.exitCode, 0);
  await cosign(['sign', image]);
  const verified = await cosign(['verify', image]);
  assert.match(verified.stdout, new RegExp(digest));
  const signature = `${digest.replace(':', '-')}.sig`;
  assert.deepEqual(await tagsOf(signer), ['1', signature]);
});

test('cosign signs as an OCI 1.1 referrer, which is found by the referrers API', options, async (t) => {
  const { cosign, image, registry, digest } = await withImage(t);
  await cosign(['sign', '--registry-referrers-mode=oci-1-1', image]);
  await cosign(['verify', '--experimental-oci11', image]);
  const { body } = await sendRequest(`${registry.url}/v2/team/app/referrers/${digest}`);
  const { manifests } = JSON.parse(body.toString()) as { manifests: { artifactType: string }[] };
  assert.deepEqual(
    manifests.map(({ artifactType }) => artifactType),
    ['application/vnd.dev.cosign.artifact.sig.v1+json'],
  );
});

test('the API tells the key of signatures and attestations as cosign tells it', options, async (t) => {
  const { cosign, directory, image, registry, digest } = await withImage(t);
  const sbom = '{"spdxVersion":"SPDX-2.3","packages":[{"name":"zlib"}]}';
  await writeFile(join(directory, 'sbom.json'), sbom);
  await cosign(['sign', image]);
  await cosign(['attest', '--new-bundle-format', '--predicate=sbom.json', '--type=spdxjson', image]);
  const shown = async (reference: string) => {
    const path = `/api/v1/repositories/team%2Fapp/manifests/${reference}`;
    return JSON.parse((await sendRequest(`${registry.url}${path}`)).body.toString());
  };
  const pem = await readFile(join(directory, 'cosign.pub'));
  const key = createHash('sha256').update(createPublicKey(pem).export({ type: 'spki', format: 'der' }));
  const { referrers } = await shown(digest);
  const told = Object.fromEntries(
    referrers.map(({ kind, signatures }: { kind: string; signatures: readonly object[] }) => [
      kind,
      signatures.map((signature) => ({ ...signature, digest: undefined })),
    ]),
  );
  assert.deepEqual(told, {
    signature: [{ by: 'key', digest: undefined }],
    sbom: [{ by: 'key', key: `sha256:${key.digest('hex')}`, digest: undefined }],
  });
  const bundle = referrers.find(({ kind }: { kind: string }) => kind === 'sbom');
  assert.deepEqual((await shown(bundle.digest)).sbom.packages, [{ name: 'zlib' }]);
});

test('cosign attests, attaches, lists, copies all of it and cleans up', options, async (t) => {
  const signer = await withImage(t);
  const { cosign, image, directory, registry, digest } = signer;
  await writeFile(join(directory, 'predicate.json'), '{"built":"here"}');
  await writeFile(join(directory, 'sbom.json'), '{}');
  await cosign(['sign', image]);
  await cosign(['attest', '--predicate=predicate.json', '--type=custom', image]);
  await cosign([
    'attach',
    'sbom',
    ...['--allow-insecure-registry', '--allow-http-registry'],
    '--sbom=sbom.json',
    image,
  ]);
  await cosign(['verify-attestation', '--type=custom', image]);
  const tree = await cosign(['tree', image]);
  for (const kind of ['Attestations', 'Signatures', 'SBOMs'])
    assert.match(tree.stdout + tree.stderr, new RegExp(kind));

  const copy = `${registry.host}/copy/app:1`;
  await cosign(['copy', image, copy]);
  await cosign(['verify', copy]);
  await cosign(['clean', '--force', copy]);
  const refused = await cosign(['verify', copy], { expectExit: 'any' });
  assert.notEqual(refused.exitCode, 0);
  const base = digest.replace(':', '-');
  for (const tag of await tagsOf(signer, 'copy/app')) assert.equal(tag.startsWith(`${base}.`), false, tag);
  await cosign(['verify', image]);
});
