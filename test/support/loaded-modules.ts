import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

/*
 * For `--import`: appends the address of each module that the process loads to the file BERTH_TEST_LOADED.
 */
const file = process.env.BERTH_TEST_LOADED;
if (file !== undefined) {
  registerHooks({
    load(url, context, nextLoad) {
      appendFileSync(file, `${url}\n`);
      return nextLoad(url, context);
    },
  });
}
