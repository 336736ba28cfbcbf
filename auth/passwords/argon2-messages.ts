/** Cost parameters of argon2id (RFC 9106, section 3.1). */
export interface Argon2Cost {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** One run of argon2id. */
export interface Argon2Request extends Argon2Cost {
  readonly id: number;
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  /** Bytes. */
  readonly tagLength: number;
}

export type Argon2Report =
  | { readonly id: number; readonly tag: Uint8Array }
  | { readonly id: number; readonly failure: string };
