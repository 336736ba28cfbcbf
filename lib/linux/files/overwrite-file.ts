import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const { O_CREAT, O_RDWR, O_NOFOLLOW } = constants;

/** Gives a file, which is made where it is missing, this text and mode. A text no longer than before needs no room. */
export async function overwriteFile(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode);
  try {
    await overwrite(file, text);
    await file.chmod(mode);
  } finally {
    await file.close();
  }
}

/** The same for a file that is open for writing. */
export async function overwrite(file: FileHandle, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  let written = 0;
  while (written < bytes.length) {
    written += (await file.write(bytes, written, bytes.length - written, written)).bytesWritten;
  }
  await file.truncate(bytes.length);
}
