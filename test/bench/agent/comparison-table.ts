import type { Figure } from '../measurement.ts';

/**
 * A Markdown table with a column for each engine: the median over the rounds, and for the others in parentheses how many
 * times the first engine's figure is of theirs (under 1 the first is better).
 */
export function comparisonTable(results: ReadonlyMap<string, readonly Figure[]>): string {
  const names = [...results.keys()];
  const [first = ''] = names;
  const keys = new Map([...results.values()].flat().map((figure) => [keyOf(figure), figure]));
  const rows = [...keys].map(([key, { name, unit }]) => {
    const medians = names.map((engine) =>
      median((results.get(engine) ?? []).filter((one) => keyOf(one) === key)),
    );
    const [own = Number.NaN] = medians;
    const cells = medians.map((value, index) => {
      if (Number.isNaN(value)) return '';
      return index === 0 ? short(value) : `${short(value)} (${(own / value).toFixed(2)}x)`;
    });
    return [name, unit, ...cells];
  });
  const header = ['measured', 'unit', first, ...names.slice(1)];
  return [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function keyOf({ name, unit }: Figure): string {
  return `${name} ${unit}`;
}

function median(figures: readonly Figure[]): number {
  const values = figures.map(({ value }) => value).sort((a, b) => a - b);
  const middle = values.length / 2;
  return ((values[Math.ceil(middle) - 1] ?? Number.NaN) + (values[Math.floor(middle)] ?? Number.NaN)) / 2;
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
