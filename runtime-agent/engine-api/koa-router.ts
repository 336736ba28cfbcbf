import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** The router as CommonJS: as a module it imports Node's http, see node-http.ts. */
export const { Router } = require('@koa/router') as typeof import('@koa/router');
