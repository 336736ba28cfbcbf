import type { Figure } from './measurement.ts';

/** Figures of all rounds, under the name of the server. */
export type Results = ReadonlyMap<string, readonly Figure[]>;

/**
 * A Markdown table of the two servers, with minimum, median and maximum over the rounds. The last column says
 * how many times better the first server's median is than the second's: under 1 it is worse.
 */
export function resultsTable(results: Results): string {
  const [[first, figures], [second, others]] = [...results] as [[string, Figure[]], [string, Figure[]]];
  const header = [
    'measured',
    'unit',
    `${first} min / median / max`,
    `${second} min / median / max`,
    'better by',
  ];
  const keys = new Set(figures.map(keyOf));
  const rows = [...keys].map((key) => {
    const mine = figures.filter((figure) => keyOf(figure) === key);
    const theirs = others.filter((figure) => keyOf(figure) === key);
    const { name = '', unit = '', better } = mine[0] ?? {};
    const factor = median(mine) / median(theirs);
    return [
      name,
      unit,
      spread(mine),
      spread(theirs),
      `${(better === 'lower' ? 1 / factor : factor).toFixed(2)}x`,
    ];
  });
  return [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function keyOf({ name, unit }: Figure): string {
  return `${name} ${unit}`;
}

function spread(figures: readonly Figure[]): string {
  const values = sorted(figures);
  return [values[0] ?? Number.NaN, median(figures), values.at(-1) ?? Number.NaN].map(short).join(' / ');
}

function median(figures: readonly Figure[]): number {
  const values = sorted(figures);
  const middle = values.length / 2;
  return ((values[Math.ceil(middle) - 1] ?? Number.NaN) + (values[Math.floor(middle)] ?? Number.NaN)) / 2;
}

function sorted(figures: readonly Figure[]): readonly number[] {
  return figures.map((figure) => figure.value).sort((a, b) => a - b);
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
