/** Why an extraction failed: because of the tar, unless the device reported an error. */
export interface ExtractionFailure {
  readonly message: string;
  /** ENOSPC, EDQUOT or EIO. */
  readonly deviceCode?: string;
}

const DEVICE_CODES = ['ENOSPC', 'EDQUOT', 'EIO'];

export function writeExtractionFailure(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  const failure: ExtractionFailure = {
    message: message ?? String(error),
    ...(code !== undefined && DEVICE_CODES.includes(code) && { deviceCode: code }),
  };
  return JSON.stringify(failure);
}

/** Parses the last message of the extracting process. */
export function readExtractionFailure(report: string): ExtractionFailure {
  try {
    return JSON.parse(report) as ExtractionFailure;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { message: report.trim().slice(-500) || 'it could not be unpacked' };
  }
}
