/** Maximum bytes of the repositories of a pattern together; a blob that several of them have counts once. */
export interface Quota {
  readonly pattern: string;
  readonly bytes: number;
}

export interface QuotaUse extends Quota {
  readonly used: number;
}

/** A count that differed from the links of blobs. */
export interface QuotaDrift {
  readonly pattern: string;
  readonly counted: number;
  readonly actual: number;
}

/** Quotas, which are enforced and counted in the transactions that link blobs. */
export interface QuotaCatalog {
  list(): Promise<readonly QuotaUse[]>;
  /** Replaces the quota of the same pattern. Existing content stays, even beyond it. */
  put(quota: Quota): Promise<void>;
  /** Returns whether it existed. */
  remove(pattern: string): Promise<boolean>;
  /** Throws QuotaExceededError when the repository has no quota left, as of at most a second ago. */
  refuseIfFull(repository: string): Promise<void>;
  /** Reports whether a quota applies to the repository, as of at most a second ago. */
  concerns(repository: string): Promise<boolean>;
  /**
   * Counts an unfinished upload as this many bytes against the quotas of its repository, until another claim, or until
   * it has more. Throws QuotaExceededError, and counts its actual size, when less is left.
   */
  claim(repository: string, uploadId: string, bytes: number): Promise<void>;
  /** Compares the counts with the links, and with `repair` recounts. */
  check(repair: boolean): Promise<readonly QuotaDrift[]>;
}
