import assert from 'node:assert/strict';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { RegistryClient } from './registry-client.ts';

type Operation = {
  readonly responses: Readonly<
    Record<string, { readonly content?: { 'application/json': { schema: object } } }>
  >;
  readonly requestBody?: { required: boolean; content: { 'application/json': { schema: object } } };
};

/** Calls of the management API that are compared with its openapi.json: request, status and answer. */
export async function describedCalls(registry: RegistryClient) {
  const document = JSON.parse((await registry.send('GET', '/api/v1/openapi.json')).body.toString());
  const paths: Readonly<Record<string, Readonly<Record<string, unknown>>>> = document.paths;
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'openapi', ...document });

  const operationOf = (method: string, path: string): Operation => {
    const bare = path.split('?')[0] ?? '';
    const matching = Object.keys(paths).filter((pattern) =>
      new RegExp(`^${pattern.replace(/\{\w+\}/g, '[^/]+')}$`).test(bare),
    );
    const pattern = matching.includes(bare) ? bare : matching[0];
    const operation = paths[pattern ?? '']?.[method.toLowerCase()];
    assert.ok(operation !== undefined, `${method} ${path} is not described`);
    return operation as Operation;
  };

  const expectShape = (schema: object, value: unknown, what: string): void => {
    const reference =
      '$ref' in schema
        ? { $ref: `openapi${String(schema.$ref)}` }
        : JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/'));
    const validate = ajv.compile(reference);
    assert.ok(
      validate(value),
      `${what}: ${ajv.errorsText(validate.errors)}: ${JSON.stringify(value).slice(0, 2000)}`,
    );
  };

  /** Without an Authorization header: as nobody. */
  const call = async (authorization: string | undefined, method: string, path: string, body?: object) => {
    const answer = await registry.send(method, `/api/v1${path}`, {
      headers: {
        ...(authorization !== undefined && { authorization }),
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = answer.body.toString();
    const json = text === '' ? undefined : JSON.parse(text);
    const { responses, requestBody } = operationOf(method, path);
    const response = responses[answer.status];
    assert.ok(
      response !== undefined,
      `${method} ${path}: ${answer.status} is not described: ${text.slice(0, 500)}`,
    );
    if (response.content !== undefined)
      expectShape(response.content['application/json'].schema, json, `${method} ${path}`);
    else assert.equal(json, undefined);
    if (answer.status < 400 && requestBody !== undefined && (requestBody.required || body !== undefined)) {
      expectShape(requestBody.content['application/json'].schema, body, `the body of ${method} ${path}`);
    }
    return { status: answer.status, json };
  };

  return { call, paths };
}
