import type { JsonFields } from '../../../lib/json/json-fields.ts';
import { EngineError } from '../../errors.ts';

/** `ConsoleSize`: `[height, width]`; zeros are what clients without a terminal send. Throws EngineError 'bad-request'. */
export function decodeConsoleSize(body: JsonFields): readonly [rows: number, columns: number] | undefined {
  const value = body.value('ConsoleSize') ?? [0, 0];
  const sizes: readonly unknown[] = Array.isArray(value) ? value : [];
  const isSize = (size: unknown): size is number =>
    typeof size === 'number' && Number.isInteger(size) && size >= 0 && size <= 65535;
  const [rows, columns] = sizes;
  if (sizes.length !== 2 || !isSize(rows) || !isSize(columns)) {
    throw new EngineError('bad-request', `${body.nameOf('ConsoleSize')} must be two numbers of 0 to 65535`);
  }
  return rows === 0 || columns === 0 ? undefined : [rows, columns];
}
