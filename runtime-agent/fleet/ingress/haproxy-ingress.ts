import { chmod, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { makeFolder } from '../../../lib/files/make-folder.ts';
import type { Libc } from '../../../lib/linux/libc.ts';
import { Semaphore } from '../../../lib/sync/semaphore.ts';
import { addToMap, applySteps } from './apply-steps.ts';
import { canonicalAddress, checkRoutes, serverName } from './check-routes.ts';
import { cutConnections, openRequests, removeIdle } from './drain-servers.ts';
import { configIdentity, LOADED, type ProxySettings, renderConfig } from './haproxy-config.ts';
import {
  type BackendAddress,
  type Drained,
  type Ingress,
  IngressError,
  type Route,
  type RouteProblem,
} from './ingress.ts';
import { EMPTY_STATE, type ProxyState, planRoutes, type RoutePlan } from './plan-routes.ts';
import {
  loadState,
  type ProxyFolder,
  proxyFolder,
  readState,
  saveState,
  writeCertificates,
  writeFiles,
} from './proxy-files.ts';
import { ProxyProcess } from './proxy-process.ts';
import type { RouteCertificates } from './route-certificates.ts';

/** Milliseconds between checks of draining servers, while a caller waits for one. */
const DRAIN_INTERVAL = 50;
/** Milliseconds between other checks of draining servers. */
const SWEEP_INTERVAL = 2_000;
/** Attempts to read the state of a running proxy, and the milliseconds between them. */
const ADOPT_ATTEMPTS = 20;
const ADOPT_PAUSE = 250;
/** Milliseconds before the proxy is started again after a failed attempt; doubled up to the maximum. */
const RESTART_PAUSE = 500;
const MAX_RESTART_PAUSE = 10_000;

export interface HaproxyIngressOptions {
  /** An in-memory folder that lasts until reboot; it is created. */
  readonly folder: string;
  readonly settings: ProxySettings;
  readonly certificates: RouteCertificates;
  readonly hostNamespace?: number;
  readonly searchPath: string;
  readonly libc: Libc;
  readonly log: Logger;
}

/** Ingress by HAProxy's runtime API: changing a route of HTTP or a backend never replaces the process. */
export class HaproxyIngress implements Ingress {
  readonly #options: HaproxyIngressOptions;
  readonly #files: ProxyFolder;
  readonly #proxy: ProxyProcess;
  /** Admits one change of the proxy at a time. */
  readonly #turn = new Semaphore(1);
  readonly #closing = new AbortController();
  #state = EMPTY_STATE;
  /** Whether routes were set, by this agent or an earlier one. */
  #isLoaded = false;
  #routes: readonly Route[] | undefined;
  #stopWatching: () => void = () => undefined;
  #sweep: NodeJS.Timeout | undefined;

  constructor(options: HaproxyIngressOptions) {
    this.#options = options;
    this.#files = proxyFolder(options.folder);
    this.#proxy = new ProxyProcess(options);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { folder, certificates, log } = this.#options;
    makeFolder(folder);
    await chmod(folder, 0o700);
    await this.#turn.hold(signal, async () => {
      const saved = await loadState(this.#files);
      this.#isLoaded = saved !== undefined;
      this.#state = saved ?? EMPTY_STATE;
      if (!(await this.#adopt())) await this.#launch(this.#state);
      this.#scheduleSweep();
    });
    certificates.start({
      answer: (path, value) => this.#setAnswer(path, value),
      changed: () => void this.#apply().catch((error: Error) => log.error({ err: error }, 'routes')),
    });
  }

  async setRoutes(routes: readonly Route[]): Promise<readonly RouteProblem[]> {
    this.#routes = routes;
    return await this.#apply();
  }

  async drained(
    backend: BackendAddress,
    { timeout }: { readonly timeout: number },
    signal: AbortSignal,
  ): Promise<Drained> {
    const address = canonicalAddress(backend.address);
    if (address === undefined) throw new IngressError(`"${backend.address}" is not an IP address.`);
    const name = serverName({ address, port: backend.port });
    const deadline = performance.now() + timeout;
    for (;;) {
      const open = await openRequests(this.#proxy, name);
      if (open === 0 || performance.now() >= deadline) {
        const cut = open === 0 ? 0 : await cutConnections(this.#proxy, name);
        await this.#turn.hold(this.#closing.signal, () => removeIdle(this.#proxy));
        return { cut };
      }
      await sleep(Math.min(DRAIN_INTERVAL, Math.max(1, deadline - performance.now())), undefined, { signal });
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new IngressError('the ingress is closed'));
    this.#stopWatching();
    clearTimeout(this.#sweep);
    this.#options.certificates.close();
    await this.#turn.hold(new AbortController().signal, async () => undefined);
  }

  async stop(): Promise<void> {
    await this.close();
    await this.#proxy.end();
    await rm(this.#options.folder, { recursive: true, force: true });
  }

  /** Serves the routes that were set last, with the currently available certificates. */
  async #apply(): Promise<readonly RouteProblem[]> {
    return await this.#turn.hold(this.#closing.signal, async () => {
      const routes = this.#routes;
      if (routes === undefined) return [];
      const { settings, certificates: source } = this.#options;
      const taken = new Set([...settings.plain, ...settings.secure].map(({ port }) => port));
      const checked = checkRoutes(routes, taken);
      const { usable, certificates, problems } = await source.prepare(checked.routes, settings);
      await this.#ensureProxy();
      const { admin } = this.#proxy;
      const current = await this.#read();
      const plan = planRoutes(current, usable, certificates);
      await writeCertificates(this.#files, certificates);
      this.#isLoaded = true;
      if (plan.target.tcpPorts.join() === current.tcpPorts.join()) {
        await applySteps(admin, this.#files, plan.steps, certificates);
        await this.#markLoaded();
        this.#state = plan.target;
      } else await this.#launch(plan.target);
      await saveState(this.#files, this.#state);
      this.#scheduleSweep();
      return [...checked.problems, ...problems, ...unplaced(plan)];
    });
  }

  /** Takes over a running proxy if it has the right configuration. */
  async #adopt(): Promise<boolean> {
    const { settings, log } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const pids = await this.#proxy.pids();
      if (pids === undefined) return false;
      try {
        this.#state = await this.#read();
        const identity = await this.#proxy.admin.identity();
        if (identity !== configIdentity(settings, this.#files, this.#state.tcpPorts)) return false;
        log.info({ pid: pids.master }, 'the proxy of an earlier agent continues');
        this.#watch();
        return true;
      } catch (error) {
        // An earlier agent may have replaced the worker just before it was killed.
        if (attempt === ADOPT_ATTEMPTS) throw error;
        await sleep(ADOPT_PAUSE);
      }
    }
  }

  /** Starts the proxy if it is not running. */
  async #ensureProxy(): Promise<void> {
    if ((await this.#proxy.pids()) === undefined) await this.#launch(this.#state);
  }

  async #read(): Promise<ProxyState> {
    const { plain, secure } = this.#options.settings;
    return await readState(this.#proxy.admin, this.#files, {
      plain: plain.length > 0,
      secure: secure.length > 0,
    });
  }

  /** Starts a worker that serves `state`, replacing the current one if there is any. */
  async #launch(state: ProxyState): Promise<void> {
    const { settings } = this.#options;
    const answers = new Map(this.#options.certificates.answers());
    if (this.#isLoaded) answers.set(LOADED, 'yes');
    await writeFiles(this.#files, state, [...answers].map(([key, value]) => `${key} ${value}\n`).join(''));
    this.#stopWatching();
    await this.#proxy.launch((socket) => renderConfig(settings, this.#files, socket, state));
    // Draining servers belong to the previous worker.
    this.#state = { ...state, servers: state.servers.filter((server) => server.state === 'ready') };
    this.#watch();
  }

  #watch(): void {
    this.#stopWatching();
    this.#stopWatching = this.#proxy.watch(() => void this.#restart());
  }

  /** Starts the proxy again after its death. */
  async #restart(): Promise<void> {
    const { log } = this.#options;
    const { signal } = this.#closing;
    for (let pause = RESTART_PAUSE; !signal.aborted; pause = Math.min(2 * pause, MAX_RESTART_PAUSE)) {
      try {
        await this.#turn.hold(signal, () => this.#ensureProxy());
        log.warn('the proxy had died and was started again');
        return;
      } catch (error) {
        if (signal.aborted) return;
        log.error({ err: error }, 'the proxy cannot be started again');
        await sleep(pause, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Checks draining servers that no caller waits for. */
  #scheduleSweep(): void {
    if (this.#sweep !== undefined) return;
    this.#sweep = setTimeout(async () => {
      const { log } = this.#options;
      this.#sweep = undefined;
      if (this.#closing.signal.aborted) return;
      try {
        await this.#turn.hold(this.#closing.signal, () => removeIdle(this.#proxy));
        const servers = await this.#proxy.admin.servers();
        if (servers.some(({ state }) => state === 'leaving')) this.#scheduleSweep();
      } catch (error) {
        if (!this.#closing.signal.aborted) log.debug({ err: error }, 'draining backends');
      }
    }, SWEEP_INTERVAL).unref();
  }

  async #markLoaded(): Promise<void> {
    const { answersMap } = this.#files;
    const { admin } = this.#proxy;
    if ((await admin.map(answersMap)).some(({ key }) => key === LOADED)) return;
    await addToMap(admin, answersMap, [`${LOADED} yes\n`]);
  }

  /** Sets the answer to an ACME challenge, or removes it if `value` is undefined. */
  async #setAnswer(path: string, value: string | undefined): Promise<void> {
    await this.#turn.hold(this.#closing.signal, async () => {
      await this.#ensureProxy();
      const { admin } = this.#proxy;
      const found = (await admin.map(this.#files.answersMap)).filter(({ key }) => key === path);
      await admin.runAll(found.map(({ ref }) => `del map ${this.#files.answersMap} #${ref}`));
      if (value !== undefined) await addToMap(admin, this.#files.answersMap, [`${path} ${value}\n`]);
    });
  }
}

function unplaced({ unplaced: routes }: RoutePlan): readonly RouteProblem[] {
  return routes.map((route) => ({
    route,
    message: 'too many backends of earlier routes still drain: set the routes again later.',
    isServed: false,
  }));
}
