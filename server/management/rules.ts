import { EntryUnknownError } from '../../auth/errors.ts';
import type { JobRuleStore } from '../../auth/jobs/job-rule.ts';
import { parseJobRule } from '../../auth/jobs/parse-job-rule.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import type { RequestRouter } from '../request-context.ts';
import { fieldsOf, required } from './request-fields.ts';
import { requireAdmin, requirePerson } from './require.ts';

/** Which jobs of other systems have a role, on the word of these. For administrators. */
export function addRuleRoutes(router: RequestRouter, jobRules: JobRuleStore): void {
  router.get('/rules', async (ctx) => {
    requireAdmin(ctx);
    answerJson(ctx, 200, { rules: await jobRules.list() });
  });

  router.post('/rules', async (ctx) => {
    requireAdmin(ctx);
    requirePerson(ctx);
    const { claims, ...fields } = await fieldsOf(ctx, {
      name: 'string',
      issuer: 'string',
      audience: 'string',
      claims: 'texts',
      role: 'string',
      pattern: 'string',
    });
    const text = (name: keyof typeof fields) => required(name, fields[name]);
    const rule = parseJobRule({
      name: text('name'),
      issuer: text('issuer'),
      audience: text('audience'),
      claims: required('claims', claims),
      role: text('role'),
      pattern: text('pattern'),
    });
    await jobRules.create(rule);
    answerJson(ctx, 201, rule);
  });

  router.delete('/rules/:name', async (ctx) => {
    requireAdmin(ctx);
    const name = String(ctx.params.name);
    if (!(await jobRules.remove(name))) throw new EntryUnknownError(`there is no rule named "${name}"`);
    answerEmpty(ctx, 204);
  });
}
