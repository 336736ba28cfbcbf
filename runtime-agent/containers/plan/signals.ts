import { constants } from 'node:os';
import { EngineError } from '../../errors.ts';

const RTMIN = 34;
const RTMAX = 64;

/** Parses a signal: `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3`. Throws EngineError 'bad-request'. */
export function parseSignal(text: string): number {
  const name = text.toUpperCase().replace(/^SIG/, '');
  if (/^\d{1,3}$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && number <= RTMAX) return number;
  }
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realTime !== null) {
    const base = realTime[1] === 'MIN' ? RTMIN : RTMAX;
    const offset = Number(realTime[3] ?? 0) * (realTime[2] === '-' ? -1 : 1);
    if (base + offset >= RTMIN && base + offset <= RTMAX) return base + offset;
  }
  const number = (constants.signals as Record<string, number | undefined>)[`SIG${name}`];
  if (number === undefined) throw new EngineError('bad-request', `invalid signal: ${text.slice(0, 40)}`);
  return number;
}
