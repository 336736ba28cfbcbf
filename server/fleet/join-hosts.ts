import { hashSecret, makeId } from '../../auth/credentials/secret.ts';
import { TooManyAttemptsError } from '../../auth/errors.ts';
import { TokenBuckets } from '../../auth/limits/token-buckets.ts';
import type { Host } from '../../fleet/host.ts';
import { HostError, type HostStore } from '../../fleet/host-store.ts';
import { parseJoinToken } from '../../fleet/join-token.ts';
import { HostInputError, type JoinRequest } from '../../fleet/read-host.ts';
import { networkOf } from '../../lib/http/addresses.ts';
import { recordingChange } from '../../storage/catalog/recorded-change.ts';

/** Failures of an address without a wait, and milliseconds until one more. */
const FAILURES = { burst: 10, interval: 10_000 };

/** Lets machines join with their tokens. */
export class JoinHosts {
  readonly #hosts: Pick<HostStore, 'join'>;
  readonly #failures: TokenBuckets;

  /** `now` is in milliseconds, from any start. */
  constructor(hosts: Pick<HostStore, 'join'>, now?: () => number) {
    this.#hosts = hosts;
    this.#failures = new TokenBuckets(FAILURES, now);
  }

  /**
   * Makes a machine a host, and records that with the name of the host and the ID of the token. Throws HostError,
   * HostInputError, and TooManyAttemptsError after many wrong tokens from an address.
   */
  async join({ token, ...machine }: JoinRequest, remote: string | undefined): Promise<Host> {
    const network = networkOf(remote);
    const wait = this.#failures.wait(network);
    if (wait > 0) throw new TooManyAttemptsError(Math.ceil(wait / 1000));
    await refuseRecipient(machine.recipient);
    let host: Host | undefined;
    const entry = () => ({
      at: new Date(),
      who: `host:${machine.name}`,
      ...(remote !== undefined && { address: remote }),
      action: 'manage' as const,
      outcome: 'done' as const,
      detail: `the host ${machine.name} joined ${JSON.stringify({ id: host?.id, labels: host?.labels })}`,
      count: 1,
    });
    try {
      await recordingChange(entry, async () => {
        host = await this.#hosts.join(hashOf(token), { id: makeId(), ...machine }, new Date());
      });
    } catch (error) {
      if (error instanceof HostError && error.code.startsWith('token-')) this.#failures.take(network);
      throw error;
    }
    if (host === undefined) throw new Error('a join has ended without a host');
    return host;
  }
}

function hashOf(token: string): string {
  const secret = parseJoinToken(token)?.secret;
  if (secret !== undefined) return hashSecret(secret);
  throw new HostError(
    'token-unknown',
    'the join token is incomplete: copy everything that "berth host token" printed',
  );
}

/** Refuses a recipient to which no secret can be encrypted: it would block the rollout of an app. */
async function refuseRecipient(recipient: string): Promise<void> {
  // Takes long to load.
  const { Encrypter } = await import('age-encryption');
  try {
    new Encrypter().addRecipient(recipient);
  } catch (cause) {
    throw new HostInputError('recipient is not an X25519 recipient of age', { cause });
  }
}
