/** Between two looks, in milliseconds. */
const LOOK = 2_000;
/** Bytes. */
const GROWTH = 8 << 20;

export interface MemoryOptions {
  /** Bytes of memory that the process has. */
  readonly resident?: () => number;
  /** Gives back what is not used. */
  readonly trim: () => Promise<void>;
  readonly interval?: number;
}

/**
 * Gives memory back whenever the process has grown by GROWTH since the last time: what pulls and builds have passed through stays
 * with the C library otherwise, a sixth of all that the agent has. Answers what ends it.
 */
export function keepMemorySmall({
  resident = process.memoryUsage.rss,
  trim,
  interval = LOOK,
}: MemoryOptions): () => void {
  let smallest = 0;
  let trimming = false;
  const look = async () => {
    if (trimming) return;
    const now = resident();
    smallest = Math.min(smallest, now);
    if (now < smallest + GROWTH) return;
    trimming = true;
    await trim();
    smallest = resident();
    trimming = false;
  };
  const timer = setInterval(() => void look(), interval).unref();
  return () => clearInterval(timer);
}
