import { type Access, type Identity, nameOf } from '../../auth/access/access.ts';
import { allowsAction, allowsScope, isAdmin } from '../../auth/access/rights.ts';
import { repositoryScope } from '../../auth/access/scope.ts';
import { type Access as RouteAccess, scopedTo } from '../api/access.ts';
import { type Route, route } from '../api/route.ts';
import { optional, text } from '../api/schema.ts';
import type { IdentifyAgain } from '../api/while-allowed.ts';
import type { EventFeed } from './event-feed.ts';
import type { Sight } from './event-reader.ts';
import { EVENT_DATA, EVENT_NAMES, type FeedEvent } from './feed-event.ts';

export interface EventRoutesDependencies {
  readonly feed: EventFeed;
  readonly access: Access;
  readonly identifyAgain: IdentifyAgain;
}

const HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  // nginx would otherwise buffer events.
  'X-Accel-Buffering': 'no',
} as const;

const EVERYBODY: RouteAccess = { who: '', anonymous: 'limited', check: () => {} };

/** The stream of events in the registry. */
export function eventRoutes({ access, feed, identifyAgain }: EventRoutesDependencies): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/events',
      id: 'streamEvents',
      summary: 'New events, as server-sent events',
      description:
        `Events are named ${EVENT_NAMES.join(', ')}. Clients get those about repositories and apps that they may pull from; ` +
        'those about hosts are for readers of `*`, garbage and change for administrators. With the header Last-Event-ID a ' +
        'stream goes on after that event, for ten minutes; the event reset means that something may be missing, and clients must  ' +
        'reload. The stream ends with the login, and when the server stops.',
      access: EVERYBODY,
      area: 'any',
      query: {
        repository: optional(text({ description: 'Only events about this repository' })),
        app: optional(text({ description: 'Only events about this app' })),
        after: optional(text({ description: 'The ID of an event, instead of Last-Event-ID' })),
      },
      events: EVENT_DATA,
      errors: {
        429: 'The account or the address has too many streams',
        503: 'There are too many streams, or the server is stopping',
      },
      handle({ ctx, query: { after, app, repository } }) {
        const { identity, origin, signal } = ctx.state;
        const release = feed.enter({ account: nameOf(identity), address: origin.remote });
        ctx.status = 200;
        ctx.set(HEADERS);
        ctx.respond = false;
        if (ctx.method === 'HEAD') {
          release();
          ctx.res.end();
          return;
        }
        ctx.flushHeaders();
        const terms = {
          identity,
          identify: () => identifyAgain(ctx),
          sightOf: (who: Identity) => sightOf(access, who),
          isAsked: (event: FeedEvent) =>
            (repository === undefined && app === undefined) || isAbout(event, repository, app),
          lastId: ctx.get('Last-Event-ID') || after,
          body: ctx.res,
        };
        void feed.serve(terms, signal).finally(release);
      },
    }),
  ];
}

function isAbout({ audience }: FeedEvent, repository: string | undefined, app: string | undefined): boolean {
  if (audience.kind === 'repository') return audience.name === repository;
  return audience.kind === 'app' && audience.name === app;
}

/** Returns a filter of the events that an identity may see, by the rules of the API's other routes. */
export function sightOf(access: Access, identity: Identity): Sight {
  const isOfApi = (identity.kind === 'user' || identity.kind === 'robot') && identity.proof.kind !== 'bearer';
  const as = (area: 'apps' | 'audit' | 'hosts') =>
    isOfApi ? scopedTo(identity, { area, method: 'GET' })?.rights : undefined;
  const rights = { apps: as('apps'), hosts: as('hosts'), audit: as('audit') };
  const ofHosts = rights.hosts !== undefined && allowsAction(rights.hosts, '*', 'pull');
  const ofAll = access.open || (rights.audit !== undefined && isAdmin(rights.audit));
  return ({ audience }) => {
    switch (audience.kind) {
      case 'administrators':
        return ofAll;
      case 'hosts':
        return ofHosts;
      case 'repository':
        return access.allows(identity, repositoryScope(audience.name, 'pull'));
      case 'app':
        return rights.apps !== undefined && allowsScope(rights.apps, repositoryScope(audience.name, 'pull'));
    }
  };
}
