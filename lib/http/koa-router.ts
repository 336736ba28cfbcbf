import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** The Router class, loaded as CommonJS: the ES module imports Node's http, see node-http.ts. */
export const { Router: KoaRouter } = require('@koa/router') as typeof import('@koa/router');
