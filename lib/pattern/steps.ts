/** Counts the work of matchers: about one step for each comparison of a character. */
export interface Steps {
  /** May throw to end a match that takes too many steps. */
  take(count: number): void;
}
