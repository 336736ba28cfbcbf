/** The meaning of each exit code of `berth-agent`. */
export const AGENT_EXIT_CODES = {
  0: 'Success, or stopped by SIGTERM or SIGINT.',
  1: 'It failed, or doctor found that the host lacks something that containers need.',
  2: 'Wrong usage, or the operator must change something first: standard error says what.',
} as const;
