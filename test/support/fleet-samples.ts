import { parseCompose } from '../../fleet/compose/parse-compose.ts';
import { readApp } from '../../fleet/compose/read-app.ts';
import type { AppSpec } from '../../fleet/service.ts';

/** What an app is, from the text of a Compose file that reads no other file. */
export async function appOf(text: string): Promise<AppSpec> {
  const { document } = await parseCompose(text, { environment: {}, readFile: async () => undefined });
  // As it arrives at the registry.
  return readApp(JSON.parse(JSON.stringify(document)));
}
