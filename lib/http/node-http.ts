/**
 * Node's http without being imported as a module: for that, Node reads all that it exports, and so loads the whole of
 * fetch, which few registries have a use for. That takes 50 ms of processor time and 10 MB.
 */
export const http = process.getBuiltinModule('node:http');

/** Node's https. It takes 25 ms and 5 MB to load: only for those who speak TLS. */
export function https(): typeof import('node:https') {
  return process.getBuiltinModule('node:https');
}
