/** The meaning of each exit code of `berth`. */
export const EXIT_CODES = {
  0: 'It is done, also when nobody reads its output to the end. Of a question: yes.',
  1: 'It was refused, failed or was interrupted, or something is damaged; a sentence on standard error says which. Of a question: no.',
  2: 'It was called wrongly, or the configuration or the data folder cannot be used: nothing was changed. Of a deploy: it was refused.',
  3: 'A rollout failed, and was rolled back unless it is the first release or its policy says pause.',
  4: 'A rollout failed, and rolling it back failed as well.',
  5: 'Nothing has changed in a rollout for longer than --timeout; it goes on.',
  130: 'Interrupted while it waited for a rollout; it goes on.',
} as const;
