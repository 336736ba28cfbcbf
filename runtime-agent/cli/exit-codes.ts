/** The meaning of each exit code of `berth-agent`. */
export const AGENT_EXIT_CODES = {
  0: 'It is done, or was stopped by SIGTERM or SIGINT.',
  1: 'It failed, or doctor found that something is lacking without which no container runs.',
  2: 'It was called wrongly, or the operator must change something first, as a sentence on standard error says.',
} as const;
