/** Whether it settles before `limit` milliseconds have gone; undefined waits for ever. Rejects as the promise does before that. */
export async function settlesWithin(promise: Promise<unknown>, limit: number | undefined): Promise<boolean> {
  if (limit === undefined) {
    await promise;
    return true;
  }
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limit);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
