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

/** Quotas, which hold in the transactions that link blobs, and are counted by them. */
export interface QuotaCatalog {
  list(): Promise<readonly QuotaUse[]>;
  /** Replaces the quota of the same pattern. Existing content stays, even beyond it. */
  put(quota: Quota): Promise<void>;
  /** Returns whether it existed. */
  remove(pattern: string): Promise<boolean>;
  /** Throws QuotaExceededError when the repository can take nothing more, as of a second ago at most. */
  refuseIfFull(repository: string): Promise<void>;
  /** Whether a quota holds for the repository, as of a second ago. */
  concerns(repository: string): Promise<boolean>;
  /**
   * Counts an unfinished upload as so many bytes against the quotas of its repository, until it is claimed for another
   * number, or has more. Throws QuotaExceededError, and counts its actual size, when less is left.
   */
  claim(repository: string, uploadId: string, bytes: number): Promise<void>;
  /** Compares the counts with the links, and with `repair` counts again. */
  check(repair: boolean): Promise<readonly QuotaDrift[]>;
}
