import { type Route, route } from '../api/route.ts';
import { boolean, integer, object, optional, text } from '../api/schema.ts';
import { APP_WRITERS, appOf, byOf } from './app-access.ts';
import {
  APP_PARAMETER,
  type AppRoutesDependencies,
  answeredApp,
  changeTerms,
  foundApp,
  REFUSALS,
  TIMEOUT,
} from './app-terms.ts';
import { APP } from './app-views.ts';

const MADE = object({ release: integer({ description: 'Number of the new release' }) });

/** Changes of apps that create a release from the current one. */
export function changeRoutes({
  apps,
  deployments,
}: Pick<AppRoutesDependencies, 'apps' | 'deployments'>): readonly Route[] {
  return [
    route({
      method: 'POST',
      path: '/apps/{app}/rollback',
      id: 'rollBack',
      summary: 'Make a release with the content of an older one',
      description: 'An app that follows its tags stops doing so until that is switched on again.',
      access: APP_WRITERS,
      area: 'apps',
      params: APP_PARAMETER,
      body: object({ to: optional(integer({ minimum: 1 })), timeout: TIMEOUT }, { title: 'Rollback' }),
      answer: MADE,
      status: 201,
      errors: { 404: 'There is no such app or release', ...REFUSALS },
      handle: async ({ ctx, body }) => ({
        release: (await deployments.rollback(appOf(ctx), body.to, changeTerms(ctx, body.timeout))).number,
      }),
    }),
    route({
      method: 'POST',
      path: '/apps/{app}/restart',
      id: 'restartApp',
      summary: 'Replace all instances of a service, or of all services',
      access: APP_WRITERS,
      area: 'apps',
      params: APP_PARAMETER,
      body: object({ service: optional(text()), timeout: TIMEOUT }, { title: 'Restart' }),
      answer: MADE,
      status: 201,
      errors: { 404: 'There is no such app or service', ...REFUSALS },
      handle: async ({ ctx, body }) => ({
        release: (await deployments.restart(appOf(ctx), body.service, changeTerms(ctx, body.timeout))).number,
      }),
    }),
    route({
      method: 'POST',
      path: '/apps/{app}/scale',
      id: 'scaleService',
      summary: 'Change the total number of instances of a service',
      access: APP_WRITERS,
      area: 'apps',
      params: APP_PARAMETER,
      body: object(
        { service: text(), replicas: integer({ minimum: 0, maximum: 10_000 }), timeout: TIMEOUT },
        { title: 'Scale' },
      ),
      answer: MADE,
      status: 201,
      errors: { 404: 'There is no such app or service', ...REFUSALS },
      async handle({ ctx, body: { replicas, service, timeout } }) {
        const made = await deployments.scale(appOf(ctx), service, replicas, changeTerms(ctx, timeout));
        return { release: made.number };
      },
    }),
    route({
      method: 'POST',
      path: '/apps/{app}/follow',
      id: 'followTags',
      summary: 'Set whether moved tags make releases',
      access: APP_WRITERS,
      area: 'apps',
      params: APP_PARAMETER,
      body: object({ follow: optional(boolean({ default: true })) }, { title: 'Follow' }),
      answer: APP,
      errors: { 404: 'There is no such app' },
      async handle({ ctx, body: { follow = true } }) {
        const { name } = await foundApp(apps, ctx);
        await apps.change(name, { follow: follow ? 'following' : 'off' });
        if (follow) await deployments.followTags(name, { by: byOf(ctx) });
        return answeredApp(apps, await foundApp(apps, ctx));
      },
    }),
  ];
}
