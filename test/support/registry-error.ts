import assert from 'node:assert/strict';
import type { HttpAnswer } from './http-client.ts';

export interface RegistryErrorEntry {
  readonly code: string;
  readonly message: string;
  readonly detail?: unknown;
}

/** Checks that an answer is an error of the distribution specification ("Error Codes"), and returns its one entry. */
export function expectError(answer: HttpAnswer, status: number, code: string): RegistryErrorEntry {
  const text = answer.body.toString();
  assert.equal(answer.status, status, text);
  assert.equal(answer.headers['content-type'], 'application/json');
  const { errors } = JSON.parse(text) as { errors: readonly RegistryErrorEntry[] };
  assert.equal(errors.length, 1);
  const [entry] = errors;
  assert.ok(entry !== undefined);
  assert.equal(entry.code, code);
  assert.ok(entry.message.length > 0);
  return entry;
}
