/** How many bytes the repositories of a pattern may have together; a blob that several of them have counts once. */
export interface Quota {
  readonly pattern: string;
  readonly bytes: number;
}

export interface QuotaUse extends Quota {
  readonly used: number;
}

/** A count that was not what the links of blobs say. */
export interface QuotaDrift {
  readonly pattern: string;
  readonly counted: number;
  readonly actual: number;
}

/** Quotas, which hold in the transactions that link blobs, and are counted by them. */
export interface QuotaCatalog {
  list(): Promise<readonly QuotaUse[]>;
  /** In place of another one for the same pattern. What is there already stays, even beyond it. */
  put(quota: Quota): Promise<void>;
  /** Answers whether it was there. */
  remove(pattern: string): Promise<boolean>;
  /** Throws QuotaExceededError when the repository can take nothing more, as of a second ago at most. */
  refuseIfFull(repository: string): Promise<void>;
  /** Whether a quota holds for the repository, as of a second ago. */
  concerns(repository: string): Promise<boolean>;
  /**
   * Counts an unfinished upload against the quotas of its repository as one of so many bytes, until it is claimed for
   * another number, or has more. Throws QuotaExceededError, and counts it with what it has, when they have less left.
   */
  claim(repository: string, uploadId: string, bytes: number): Promise<void>;
  /** Compares the counts with the links, and with `repair` counts anew. */
  check(repair: boolean): Promise<readonly QuotaDrift[]>;
}
