import type { Healthcheck } from '../instruction.ts';
import { execForm } from '../words.ts';
import { parseDuration } from './quantities.ts';
import { FlagReader, refuse, type Written } from './written.ts';

const FLAGS = ['interval', 'timeout', 'start-period', 'start-interval', 'retries'];
/** Minimum duration of the Engine API: 1 ms. */
const LEAST = 1e6;

export function parseHealthcheck(written: Written): Healthcheck {
  const text = written.rest.trim();
  const [before = '', type = ''] = /^(\S*)\s*/.exec(text) ?? [];
  const rest = text.slice(before.length);
  const flags = new FlagReader(written, FLAGS);
  if (type.toUpperCase() === 'NONE') {
    if (rest !== '' || written.flags.length > 0) throw refuse(written, 'HEALTHCHECK NONE takes no arguments');
    return { Test: ['NONE'] };
  }
  if (type.toUpperCase() !== 'CMD') {
    throw refuse(
      written,
      `unknown type ${JSON.stringify(type.slice(0, 40))}: it is HEALTHCHECK CMD … or HEALTHCHECK NONE`,
    );
  }
  if (rest === '') throw refuse(written, 'missing command after HEALTHCHECK CMD');
  const words = execForm(rest);
  const times: [keyof Healthcheck, string][] = [
    ['Interval', 'interval'],
    ['Timeout', 'timeout'],
    ['StartPeriod', 'start-period'],
    ['StartInterval', 'start-interval'],
  ];
  const given = times.flatMap(([field, flag]) => {
    const text = flags.text(flag);
    if (text === undefined) return [];
    const value = parseDuration(text);
    if (value === undefined) throw refuse(written, `--${flag} is not a duration: ${text.slice(0, 40)}`);
    if (value !== 0 && value < LEAST) throw refuse(written, `--${flag} cannot be less than 1ms`);
    return [[field, value] as const];
  });
  const retries = flags.text('retries');
  if (retries !== undefined && !/^\d{1,9}$/.test(retries)) {
    throw refuse(written, `--retries must be a number, not ${retries.slice(0, 40)}`);
  }
  return {
    Test: words === undefined ? ['CMD-SHELL', rest] : ['CMD', ...words],
    ...Object.fromEntries(given.filter(([, value]) => value !== 0)),
    ...(retries === undefined || Number(retries) === 0 ? {} : { Retries: Number(retries) }),
  };
}
