/**
 * Node's http without being imported as a module: for that, Node reads all that it exports, and so loads the whole of
 * fetch, which the agent has no use for. That takes 60 ms and 5 MB.
 */
export const http = process.getBuiltinModule('node:http');
