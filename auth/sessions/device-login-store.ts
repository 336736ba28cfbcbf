/** A terminal's login that waits for confirmation (RFC 8628). */
export interface DeviceLogin {
  /** Hash of the terminal's code; from secret.ts. */
  readonly deviceHash: string;
  /** Hash of the code that the person types. */
  readonly userCodeHash: string;
  /** The name that the terminal gives itself. */
  readonly client: string;
  /** The client's network, as the limits count it. */
  readonly network: string;
  /** The account that confirmed it; undefined before. */
  readonly account?: string;
  readonly denied: boolean;
  readonly expiresAt: Date;
}

/** Maximum pending logins. */
export interface MostWaiting {
  readonly inAll: number;
  readonly ofNetwork: number;
}

/** Stores logins of terminals. Each method is one durable step. */
export interface DeviceLoginStore {
  /** Also returns expired ones. */
  find(deviceHash: string): Promise<DeviceLogin | undefined>;
  /** Only pending ones; also expired. */
  findByUserCode(userCodeHash: string): Promise<DeviceLogin | undefined>;
  /**
   * Also removes expired logins. If more than `most` would be pending, it removes the oldest logins from the network of
   * `login`, and then those from the network with the most: no client is refused because of others.
   */
  create(login: DeviceLogin, now: Date, most: MostWaiting): Promise<void>;
  /** Confirms a login once: returns false when it is not pending or has expired. */
  confirm(userCodeHash: string, account: string, now: Date): Promise<boolean>;
  /** Denies a login, like `confirm`. */
  deny(userCodeHash: string, now: Date): Promise<boolean>;
  /** Removes the login. Returns whether it existed: of several concurrent callers only one gets true. */
  take(deviceHash: string): Promise<boolean>;
}
