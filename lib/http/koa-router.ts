import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** The class of routers as CommonJS: as a module it imports Node's http, see node-http.ts. */
export const { Router: KoaRouter } = require('@koa/router') as typeof import('@koa/router');
