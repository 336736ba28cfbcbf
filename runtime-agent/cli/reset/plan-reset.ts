/** A folder below /run/berth-agent, with the state of one agent. */
export interface RunFolder {
  readonly path: string;
  /**
   * Whether its agent or one of its processes runs, such as the monitor of a container; true too if its containers may
   * run where this process cannot see them.
   */
  readonly inUse: boolean;
  /** Whether its agent registered itself there and has ended. */
  readonly isNoted: boolean;
  /** Whether its data folder exists, so that its agent may start again. */
  readonly hasData: boolean;
  /** Whether it has a pinned mount namespace. */
  readonly isPinned: boolean;
  /** Whether its packet filter is in this network namespace, or in an unknown one. */
  readonly isHere: boolean;
}

/** A table of the packet filter with an agent's name, and its bridges. */
export interface AgentTable {
  readonly name: string;
  readonly bridges: readonly string[];
}

/** A bridge that is marked as belonging to an agent. */
export interface AgentBridge {
  readonly name: string;
  /** Number of links of containers. */
  readonly ports: number;
}

/** Everything that agents have on this host. */
export interface HostRemains {
  readonly folders: readonly RunFolder[];
  readonly tables: readonly AgentTable[];
  readonly bridges: readonly AgentBridge[];
}

/** Leftovers to remove, and folders that are in use. */
export interface ResetPlan {
  /** Folders to unmount; `whole` ones are removed completely. */
  readonly folders: readonly { readonly path: string; readonly whole: boolean }[];
  readonly tables: readonly string[];
  readonly bridges: readonly string[];
  readonly kept: readonly string[];
}

/**
 * Plans the removal of leftovers. Keeps everything of agents that run or whose containers run: their links are on its
 * bridges, and its table protects them. With `unnoted`, the plan includes leftovers of unknown agents.
 */
export function planReset(
  { folders, tables, bridges }: HostRemains,
  { unnoted }: { readonly unnoted: boolean },
): ResetPlan {
  const isBusy = (name: string) => bridges.some((bridge) => bridge.name === name && bridge.ports > 0);
  const tableOf = (folder: RunFolder) =>
    tables.find(({ name }) => folder.isHere && name === tableName(folder.path));
  const isKept = (folder: RunFolder) =>
    folder.inUse || (!folder.isNoted && !unnoted) || (tableOf(folder)?.bridges ?? []).some(isBusy);
  const gone = folders.filter((folder) => !isKept(folder));
  const kept = folders.filter(isKept);
  const owned = new Set(folders.flatMap((folder) => tableOf(folder) ?? []));
  const goneTables = [
    ...gone.flatMap((folder) => tableOf(folder) ?? []),
    ...tables.filter((table) => unnoted && !owned.has(table) && !table.bridges.some(isBusy)),
  ];
  const keptBridges = new Set(
    tables.filter((table) => !goneTables.includes(table)).flatMap((table) => table.bridges),
  );
  const goneBridges = bridges.filter(
    ({ name, ports }) =>
      ports === 0 &&
      !keptBridges.has(name) &&
      (unnoted || goneTables.some((table) => table.bridges.includes(name))),
  );
  return {
    // Exits of containers, and counters since the last boot, remain for the agent's return.
    folders: gone.flatMap(({ path, hasData, isPinned }) =>
      hasData && !isPinned ? [] : [{ path, whole: !hasData }],
    ),
    tables: goneTables.map(({ name }) => name),
    bridges: goneBridges.map(({ name }) => name),
    kept: kept.map(({ path }) => path),
  };
}

/** Returns the table of the agent that has a folder below /run/berth-agent: both are named after the data folder. */
function tableName(folder: string): string {
  return `berth_${folder.slice(folder.lastIndexOf('/') + 1).slice(0, 8)}`;
}
