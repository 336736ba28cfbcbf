/** Counts the work of matchers: about one step per comparison of characters. */
export interface Steps {
  /** May throw to end a match that takes too many steps. */
  take(count: number): void;
}
