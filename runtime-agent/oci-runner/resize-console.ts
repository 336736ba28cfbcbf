import { tellMonitor } from './monitor-control.ts';

/** conmon refuses more. */
const LARGEST = 1000;

/** Tells conmon the size of the container's terminal. Answers false when conmon has gone. */
export async function resizeConsole(
  control: string,
  size: { readonly rows: number; readonly columns: number },
): Promise<boolean> {
  const rows = Math.min(LARGEST, size.rows);
  const columns = Math.min(LARGEST, size.columns);
  return tellMonitor(control, `1 ${rows} ${columns}`);
}
