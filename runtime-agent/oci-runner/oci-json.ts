import type { OciProcess, OciSpec } from './bundle.ts';

/** 2^64 - 1, which no JavaScript number holds. */
const UNLIMITED = '18446744073709551615';

interface RawJson {
  rawJSON(text: string): unknown;
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown;
}

const raw = JSON as unknown as RawJson;

/** The text of config.json, or of a process alone. */
export function writeOciJson(value: OciSpec | OciProcess): string {
  const unlimited = raw.rawJSON(UNLIMITED);
  return JSON.stringify(value, (key, item: unknown) =>
    item === 'unlimited' && (key === 'soft' || key === 'hard') ? unlimited : item,
  );
}

/** Reads what writeOciJson has written. */
export function readOciSpec(text: string): OciSpec {
  return raw.parse(text, (_, item, { source }) => (source === UNLIMITED ? 'unlimited' : item)) as OciSpec;
}
