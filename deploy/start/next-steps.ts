/** What `npm start` has running. */
export interface Running {
  /** Such as http://127.0.0.1:5000. */
  readonly registry: string;
  /** Such as unix:///run/berth-agent.sock; absent where there is no agent. */
  readonly agent?: string;
  /** Why there is no agent, as a sentence. */
  readonly withoutAgent?: string;
}

/** The commands that a newcomer types next, with the addresses of what runs. */
export function nextSteps(running: Running): string {
  const host = new URL(running.registry).host;
  const image = `${host}/team/hello:1`;
  const lines = [
    `Registry: ${running.registry}`,
    running.agent === undefined
      ? `Agent:    not running: ${running.withoutAgent}`
      : `Agent:    ${running.agent}`,
    '',
    'Next, in another terminal, with any image that you have:',
    `  docker login -u admin ${host}`,
    `  docker tag IMAGE ${image}`,
    `  docker push ${image}`,
    ...(running.agent === undefined ? [] : [`  docker -H ${running.agent} run --rm ${image}`]),
    '',
    'Ctrl-C stops what runs here; containers go on.',
  ];
  return lines.join('\n');
}
