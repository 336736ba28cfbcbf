/** The meaning of each exit code of `berth`. */
export const EXIT_CODES = {
  0: 'Success, even if nobody reads its output to the end. For a question: yes.',
  1: 'It was refused, failed or was interrupted, or something is damaged; standard error says which. For a question: no.',
  2: 'Wrong usage, or the configuration or the data folder cannot be used: nothing was changed. For a deploy: it was refused.',
  3: 'A rollout failed, and was rolled back unless it is the first release or its policy says pause.',
  4: 'A rollout failed, and rolling it back failed as well.',
  5: 'Nothing has changed in a rollout for longer than --timeout; it continues.',
  130: 'Interrupted while it waited for a rollout, which continues.',
} as const;
