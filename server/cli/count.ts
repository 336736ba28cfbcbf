/** A number of things for people, such as `1 blob` and `2 blobs`. */
export function count(number: number, what: string): string {
  const many = what.endsWith('y') ? `${what.slice(0, -1)}ies` : `${what}s`;
  return `${number} ${number === 1 ? what : many}`;
}
