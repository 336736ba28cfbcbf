/** A terminal that waits until somebody confirms its login (RFC 8628). */
export interface DeviceLogin {
  /** What the terminal asks with; of secret.ts. */
  readonly deviceHash: string;
  /** What the person types. */
  readonly userCodeHash: string;
  /** What the terminal calls itself. */
  readonly client: string;
  /** Where it began, as limits have it. */
  readonly network: string;
  /** Who has confirmed it; undefined before that. */
  readonly account?: string;
  readonly denied: boolean;
  readonly expiresAt: Date;
}

/** Logins that can wait at the same time. */
export interface MostWaiting {
  readonly inAll: number;
  readonly ofNetwork: number;
}

/** Where logins of terminals are kept. Each method is one durable step. */
export interface DeviceLoginStore {
  /** Expired ones too. */
  find(deviceHash: string): Promise<DeviceLogin | undefined>;
  /** Of those that wait. Expired ones too. */
  findByUserCode(userCodeHash: string): Promise<DeviceLogin | undefined>;
  /**
   * Removes expired logins on the way. If more than `most` would wait, the oldest logins from the
   * network of `login` are removed, and then those from the network with the most: no client is refused because of others.
   */
  create(login: DeviceLogin, now: Date, most: MostWaiting): Promise<void>;
  /** Once: answers false when it does not wait for an answer, or has expired. */
  confirm(userCodeHash: string, account: string, now: Date): Promise<boolean>;
  /** As `confirm`. */
  deny(userCodeHash: string, now: Date): Promise<boolean>;
  /** Ends it. Answers whether it was there: of several who ask at once one hears true. */
  take(deviceHash: string): Promise<boolean>;
}
