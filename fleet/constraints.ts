import type { Host } from './host.ts';
import type { LabelConstraint } from './service.ts';

/** Reports whether labels of a host meet all constraints. */
export function meets(labels: Host['labels'], constraints: readonly LabelConstraint[]): boolean {
  return constraints.every(({ key, operator, value }) => {
    const is = Object.hasOwn(labels, key) && labels[key] === value;
    return operator === '==' ? is : !is;
  });
}

/** Formats `role=web` or `role!=web`. */
export function describeConstraint({ key, operator, value }: LabelConstraint): string {
  return `${key}${operator === '==' ? '=' : '!='}${value}`;
}
