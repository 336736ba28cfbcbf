/**
 * Node's http, loaded without an import: an import makes Node load every export, including fetch, which few registries
 * use. That costs 50 ms of processor time and 10 MB.
 */
export const http = process.getBuiltinModule('node:http');

/** Returns Node's https. Loading it takes 25 ms and 5 MB, so only TLS users call this. */
export function https(): typeof import('node:https') {
  return process.getBuiltinModule('node:https');
}
