/** Headers of every answer, whoever gives it: a browser does not guess what is in it. */
export const COMMON_HEADERS = { 'X-Content-Type-Options': 'nosniff' } as const;
