/** Options by which a command finds what a registry keeps; the rest is loadConfig's. */
export const STORAGE_OPTIONS = {
  data: { type: 'string' },
  database: { type: 'string' },
  storage: { type: 'string' },
  config: { type: 'string' },
} as const;
