import { type CleanupScope, defer } from './cleanup.ts';
import { RacingPusher } from './racing-pusher.ts';

/** Makes pushers, each with a repository of its own and that of the next pusher as its neighbour. */
export function racingPushers(
  scope: CleanupScope,
  url: string,
  { count, contents, tags }: { readonly count: number; readonly contents: number; readonly tags: number },
): readonly RacingPusher[] {
  const repositoryOf = (index: number) => `race/${index % count}`;
  const pushers = Array.from({ length: count }, (_, index) => {
    const neighbour = repositoryOf(index + 1);
    return new RacingPusher({ url, repository: repositoryOf(index), neighbour, contents, tags });
  });
  defer(scope, () => {
    for (const pusher of pushers) pusher.close();
  });
  return pushers;
}
