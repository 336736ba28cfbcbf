import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Decrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { SecretsKey, SecretsKeyError } from '../../../../storage/fleet/secrets-key.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-key-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('a secret goes to one host, and to no other', async (t) => {
  const folder = await folderOf(t);
  const key = new SecretsKey(join(folder, 'secrets.key'));
  const host = await generateX25519Identity();
  const sealed = await key.seal(Buffer.from('s3cret'));
  assert.doesNotMatch(Buffer.from(sealed, 'base64').toString('latin1'), /s3cret/);
  const passed = Buffer.from(await key.passOn(sealed, await identityToRecipient(host)), 'base64');
  const decrypter = new Decrypter();
  decrypter.addIdentity(host);
  assert.equal(await decrypter.decrypt(passed, 'text'), 's3cret');
  const other = new Decrypter();
  other.addIdentity(await generateX25519Identity());
  await assert.rejects(other.decrypt(passed, 'text'));
});

test('of many that make the key at once all have the same, and only its owner can read it', async (t) => {
  const folder = await folderOf(t);
  const file = join(folder, 'secrets.key');
  const recipient = await identityToRecipient(await generateX25519Identity());
  const sealed = await Promise.all(
    Array.from({ length: 20 }, () => new SecretsKey(file).seal(Buffer.from('x'))),
  );
  for (const one of sealed) await new SecretsKey(file).passOn(one, recipient);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(folder), ['secrets.key']);
});

test('another key is refused with what to do', async (t) => {
  const folder = await folderOf(t);
  const sealed = await new SecretsKey(join(folder, 'one')).seal(Buffer.from('x'));
  await new SecretsKey(join(folder, 'two')).seal(Buffer.from('x'));
  for (const name of ['two', 'none']) {
    const recipient = await identityToRecipient(await generateX25519Identity());
    await assert.rejects(
      new SecretsKey(join(folder, name)).passOn(sealed, recipient),
      (error) => error instanceof SecretsKeyError && error.message.includes(join(folder, name)),
    );
  }
});
