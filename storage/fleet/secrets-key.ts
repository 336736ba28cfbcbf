import { randomUUID } from 'node:crypto';
import { link, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from '../../lib/files/make-folder.ts';
import { openPrivateFile } from '../../lib/files/private-file.ts';

/** Maximum size of a secret, bytes. */
export const MAX_SECRET = 500 * 1024;

/** A secret could not be decrypted: the message says why. */
export class SecretsKeyError extends Error {
  override readonly name = 'SecretsKeyError';
}

/**
 * The key that encrypts the secrets of apps for the registry (age, X25519). It is in a separate file, so neither the
 * database nor a backup of it reveals a secret. The file is created with the first secret. All registries on one
 * database need the same file.
 */
export class SecretsKey {
  readonly #file: string;
  #identity: Promise<string> | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** Encrypts a secret for the registry: base64. */
  async seal(secret: Uint8Array): Promise<string> {
    const age = await import('age-encryption');
    this.#identity ??= readOrMake(this.#file, age.generateX25519Identity).catch((error) => {
      this.#identity = undefined;
      throw error;
    });
    return sealFor(secret, await age.identityToRecipient(await this.#identity));
  }

  /** Decrypts a secret of `seal`, and encrypts it for a host, `age1…`: base64. Throws SecretsKeyError. */
  async passOn(sealed: string, recipient: string): Promise<string> {
    const { Decrypter } = await import('age-encryption');
    const decrypter = new Decrypter();
    let secret: Uint8Array;
    try {
      decrypter.addIdentity(await (this.#identity ?? readIdentity(this.#file)));
      secret = await decrypter.decrypt(Buffer.from(sealed, 'base64'), 'uint8array');
    } catch (cause) {
      throw new SecretsKeyError(
        `the secrets key ${this.#file} is missing or different: restore it, or set the secrets again`,
        { cause },
      );
    }
    return sealFor(secret, recipient);
  }
}

async function sealFor(secret: Uint8Array, recipient: string): Promise<string> {
  const { Encrypter } = await import('age-encryption');
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  return Buffer.from(await encrypter.encrypt(secret)).toString('base64');
}

async function readIdentity(file: string): Promise<string> {
  const identity = (await readFile(file, 'utf8')).trim();
  if (!identity.startsWith('AGE-SECRET-KEY-1')) throw new SecretsKeyError(`${file} is not a key of age`);
  return identity;
}

/** Reads or creates the file, atomically, and in only one of several processes. */
async function readOrMake(file: string, make: () => Promise<string>): Promise<string> {
  try {
    return await readIdentity(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  makeFolder(dirname(file));
  const whole = `${file}.${randomUUID()}`;
  try {
    await using handle = await openPrivateFile(whole, 'wx');
    await handle.writeFile(`${await make()}\n`);
    await handle.sync();
    await link(whole, file);
    await using folder = await openPrivateFile(dirname(file), 'r');
    await folder.sync();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(whole, { force: true });
  }
  return readIdentity(file);
}
