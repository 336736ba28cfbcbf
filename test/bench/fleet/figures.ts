/** A row of the table. */
export interface FleetFigure {
  readonly what: string;
  readonly value: string;
  /** Of shared/fleet.md's kind: what is to be reached; absent: for information. */
  readonly target?: string;
}

/** The value below which a share of the samples is, by nearest rank. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** `p50 2.1 s, p95 3.4 s (of 20)`, from milliseconds. */
export function spreadOf(samples: readonly number[]): string {
  const seconds = (share: number) => (percentile(samples, share) / 1000).toFixed(2);
  return `p50 ${seconds(0.5)} s, p95 ${seconds(0.95)} s (of ${samples.length})`;
}

/** A Markdown table. */
export function fleetTable(figures: readonly FleetFigure[]): string {
  const rows = [
    ['measured', 'figure', 'target'],
    ['---', '---', '---'],
    ...figures.map(({ what, value, target = '' }) => [what, value, target]),
  ];
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
}
