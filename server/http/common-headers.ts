/** Headers of every answer: browsers do not guess content types. */
export const COMMON_HEADERS = { 'X-Content-Type-Options': 'nosniff' } as const;
