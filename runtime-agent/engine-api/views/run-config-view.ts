import type { ContainerConfig } from '../../containers/container.ts';

/** The `Config` object of container and image inspect, with every field that clients read. */
export function runConfigView(config: ContainerConfig): object {
  return {
    Hostname: config.Hostname,
    Domainname: config.Domainname,
    User: config.User,
    AttachStdin: config.AttachStdin,
    AttachStdout: config.AttachStdout,
    AttachStderr: config.AttachStderr,
    ...(config.ExposedPorts === undefined ? {} : { ExposedPorts: config.ExposedPorts }),
    Tty: config.Tty,
    OpenStdin: config.OpenStdin,
    StdinOnce: config.StdinOnce,
    Env: config.Env,
    Cmd: config.Cmd,
    ...(config.Healthcheck === undefined ? {} : { Healthcheck: config.Healthcheck }),
    Image: config.Image,
    Volumes: config.Volumes ?? null,
    WorkingDir: config.WorkingDir,
    Entrypoint: config.Entrypoint,
    ...(config.MacAddress === undefined ? {} : { MacAddress: config.MacAddress }),
    OnBuild: config.OnBuild ?? null,
    Labels: config.Labels,
    ...(config.StopSignal === undefined ? {} : { StopSignal: config.StopSignal }),
    ...(config.StopTimeout === undefined ? {} : { StopTimeout: config.StopTimeout }),
    ...(config.Shell === undefined ? {} : { Shell: config.Shell }),
  };
}
