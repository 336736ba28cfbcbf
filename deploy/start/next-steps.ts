/** The programs that `npm start` runs. */
export interface Running {
  /** Such as http://127.0.0.1:5000. */
  readonly registry: string;
  /** Such as unix:///run/berth-agent.sock; absent without an agent. */
  readonly agent?: string;
  /** Why there is no agent, as a sentence. */
  readonly withoutAgent?: string;
}

/** The commands that a newcomer types next, with the addresses of what runs. */
export function nextSteps(running: Running): string {
  const host = new URL(running.registry).host;
  const image = `${host}/team/app:1`;
  const login = `  docker login -u admin ${host}`;
  const push = `  docker push ${image}`;
  const commands =
    running.agent === undefined
      ? [
          'Next, in another terminal, with any image that you have:',
          login,
          `  docker tag IMAGE ${image}`,
          push,
        ]
      : [
          'Next, in another terminal, with any folder that has a Dockerfile:',
          `  export DOCKER_HOST=${running.agent}`,
          login,
          `  docker build -t ${image} FOLDER`,
          push,
          `  docker run --rm ${image}`,
        ];
  const lines = [
    `Registry: ${running.registry}`,
    `Agent:    ${running.agent ?? `not running: ${running.withoutAgent}`}`,
    '',
    ...commands,
    '',
    'Ctrl-C stops the programs; containers keep running.',
  ];
  return lines.join('\n');
}
