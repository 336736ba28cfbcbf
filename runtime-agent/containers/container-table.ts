import type { Knex } from 'knex';
import { JsonFields } from '../../lib/json/json-fields.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ActiveNetwork } from '../networks/network.ts';
import type {
  ContainerBase,
  ContainerConfig,
  ContainerInfo,
  ContainerStatus,
  Health,
  MountPoint,
} from './container-info.ts';
import { type HostConfig, readHostConfig } from './host-config.ts';

/** The processes of a running container. Start times tell them apart from later processes with the same PIDs. */
export interface Run {
  readonly pid: number;
  readonly startTime: number;
  readonly conmonPid: number;
  readonly conmonStartTime: number;
  /** The boot in which the processes run; none survives a reboot. */
  readonly bootId: string;
  /** Absent if it has no networks of its own. */
  readonly network?: ActiveNetwork;
}

/** The stored part of a container, which outlives the agent. */
export interface StoredContainer {
  readonly container: ContainerInfo;
  readonly run: Run | undefined;
}

const TABLE = 'containers';
/** Defaults of fields that containers of an earlier agent lack; these had the cgroup namespace of the host. */
const OLDER_HOST_CONFIG = readHostConfig(new JsonFields(null), { cgroupVersion: '1', runtime: { name: '' } });

interface Row {
  readonly id: string;
  readonly name: string;
  readonly created_at: string;
  readonly image_id: string;
  readonly base: string | null;
  readonly path: string;
  readonly args: string;
  readonly config: string;
  readonly host_config: string;
  readonly mounts: string;
  readonly networks: string;
  readonly status: string;
  readonly exit_code: number;
  readonly oom_killed: number;
  readonly error: string;
  readonly started_at: string;
  readonly finished_at: string;
  readonly stopped_by_user: number;
  readonly run: string | null;
  readonly health: string | null;
  readonly restart_count: number;
}

/** The containers in the database. Each method is one transaction. */
export class ContainerTable {
  readonly #knex: Knex;
  readonly #logPath: (id: string) => string;

  constructor(knex: Knex, logPath: (id: string) => string) {
    this.#knex = knex;
    this.#logPath = logPath;
  }

  async list(): Promise<readonly StoredContainer[]> {
    const rows: Row[] = await this.#knex(TABLE).select();
    return rows.map((row) => this.#fromRow(row));
  }

  async insert(stored: StoredContainer): Promise<void> {
    const { container } = stored;
    await this.#knex(TABLE).insert({
      id: container.id,
      name: container.name,
      created_at: container.createdAt,
      image_id: container.imageId,
      base: container.base === undefined ? null : JSON.stringify(container.base),
      path: container.path,
      args: JSON.stringify(container.args),
      config: JSON.stringify(container.config),
      host_config: JSON.stringify(container.hostConfig),
      mounts: JSON.stringify(container.mounts),
      ...changing(stored),
    });
  }

  /** Updates a container's state, run and networks. */
  async update(stored: StoredContainer): Promise<void> {
    await this.#knex(TABLE).where({ id: stored.container.id }).update(changing(stored));
  }

  /** Updates a container's name and HostConfig. */
  async updateSettings({ id, name, hostConfig }: ContainerInfo): Promise<void> {
    await this.#knex(TABLE)
      .where({ id })
      .update({ name, host_config: JSON.stringify(hostConfig) });
  }

  async delete(id: string): Promise<void> {
    await this.#knex(TABLE).where({ id }).delete();
  }

  #fromRow(row: Row): StoredContainer {
    const run = row.run === null ? undefined : (JSON.parse(row.run) as Run);
    const container: ContainerInfo = {
      id: row.id,
      name: row.name,
      createdAt: row.created_at,
      imageId: row.image_id,
      ...(row.base === null ? {} : { base: JSON.parse(row.base) as ContainerBase }),
      path: row.path,
      args: JSON.parse(row.args) as readonly string[],
      config: JSON.parse(row.config) as ContainerConfig,
      hostConfig: { ...OLDER_HOST_CONFIG, ...(JSON.parse(row.host_config) as HostConfig) },
      mounts: JSON.parse(row.mounts) as readonly MountPoint[],
      networks: JSON.parse(row.networks) as ContainerInfo['networks'],
      activeNetwork: run?.network,
      logPath: this.#logPath(row.id),
      state: {
        status: row.status as ContainerStatus,
        pid: run?.pid ?? 0,
        exitCode: row.exit_code,
        oomKilled: row.oom_killed !== 0,
        error: row.error,
        startedAt: row.started_at,
        finishedAt: row.finished_at,
        restartCount: row.restart_count,
        stoppedByUser: row.stopped_by_user !== 0,
        ...(row.health === null ? {} : { health: JSON.parse(row.health) as Health }),
      },
    };
    return { container, run };
  }
}

function changing({ container, run }: StoredContainer): Partial<Row> {
  const { state } = container;
  return {
    status: state.status,
    exit_code: state.exitCode,
    oom_killed: Number(state.oomKilled),
    error: state.error,
    started_at: state.startedAt,
    finished_at: state.finishedAt,
    stopped_by_user: Number(state.stoppedByUser),
    run: run === undefined ? null : JSON.stringify(run),
    restart_count: state.restartCount,
    health: state.health === undefined ? null : JSON.stringify(state.health),
    networks: JSON.stringify(container.networks),
  };
}

/** Returns the layers of all containers in the database. Works before the migrations. */
export async function layersOfContainers(knex: Knex): Promise<readonly Digest[]> {
  if (!(await knex.schema.hasColumn('containers', 'base'))) return [];
  const rows: string[] = await knex('containers').whereNotNull('base').pluck('base');
  return rows.flatMap((text) => (JSON.parse(text) as ContainerBase).diffIds);
}
