/** A terminal that waits until somebody confirms its login (RFC 8628). */
export interface DeviceLogin {
  /** What the terminal asks with; of secret.ts. */
  readonly deviceHash: string;
  /** What the person types. */
  readonly userCodeHash: string;
  /** What the terminal calls itself. */
  readonly client: string;
  /** Who has confirmed it; undefined before that. */
  readonly account?: string;
  readonly denied: boolean;
  readonly expiresAt: Date;
}

/** Where logins of terminals are kept. Each method is one durable step. */
export interface DeviceLoginStore {
  /** Expired ones too. */
  find(deviceHash: string): Promise<DeviceLogin | undefined>;
  /** Of those that wait. Expired ones too. */
  findByUserCode(userCodeHash: string): Promise<DeviceLogin | undefined>;
  /** Forgets those that have expired on the way. Answers false, with nothing done, when `most` wait already. */
  create(login: DeviceLogin, now: Date, most: number): Promise<boolean>;
  /** Once: answers false when it does not wait for an answer, or has expired. */
  confirm(userCodeHash: string, account: string, now: Date): Promise<boolean>;
  /** As `confirm`. */
  deny(userCodeHash: string, now: Date): Promise<boolean>;
  /** Ends it. Answers whether it was there: of several who ask at once one hears true. */
  take(deviceHash: string): Promise<boolean>;
}
