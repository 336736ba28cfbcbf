/** For a test's `skip`: false for root, otherwise the reason. */
export function unlessRoot(): string | false {
  return process.getuid?.() === 0 ? false : 'needs root';
}
