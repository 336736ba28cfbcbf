import { SettingInvalidError } from '../../auth/errors.ts';

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Bytes of a size such as `500MB` or `20GiB`. Throws SettingInvalidError. */
export function parseSize(text: string): number {
  const [, count, unit = ''] = /^(\d{1,15})([KMGT]i?B)?$/.exec(text) ?? [];
  const bytes = Number(count) * (UNITS[unit] ?? Number.NaN);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new SettingInvalidError(
    `${JSON.stringify(text.slice(0, 40))} is no size: write a number of bytes, or with a unit, such as 20GiB or 500MB`,
  );
}
