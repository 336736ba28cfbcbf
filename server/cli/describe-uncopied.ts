import type { UncopiedBlob } from '../../storage/backup/copy-content.ts';

/** One line about a blob that could not be copied. */
export function describeUncopied({ blob, isMissing, message }: UncopiedBlob): string {
  return isMissing ? `lost: ${blob.digest}: its file is missing` : `damaged: ${blob.digest}: ${message}`;
}
