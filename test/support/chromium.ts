import { type CleanupScope, defer } from './cleanup.ts';
import { startProcess } from './managed-process.ts';
import { makeTempDir } from './temp-dir.ts';
import { waitUntil } from './wait-until.ts';

/** A page in headless Chromium. */
export interface BrowserPage {
  open(url: string): Promise<void>;
  /** What an expression is on the page, as JSON can tell it. Undefined while the page changes. */
  evaluate(expression: string): Promise<unknown>;
  /** Waits until an expression holds. */
  until(expression: string): Promise<void>;
  /** Waits until there is such an element, then clicks it. */
  click(selector: string): Promise<void>;
  /** Waits until there is such a field, then fills it. */
  fill(selector: string, value: string): Promise<void>;
  /** Waits until there is such an element, then answers its text. */
  text(selector: string): Promise<string>;
}

/** Starts Debian's Chromium with a profile of its own, and opens an empty page in it. */
export async function startChromium(scope: CleanupScope): Promise<BrowserPage> {
  const profile = await makeTempDir(scope, 'chromium');
  const chromium = startProcess(
    scope,
    'chromium',
    [
      '--headless=new',
      // Tests run as root in containers, where its sandbox cannot be.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--remote-debugging-address=127.0.0.1',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      'about:blank',
    ],
    { env: { HOME: profile } },
  );
  const [, endpoint = ''] = await chromium.waitForLine(/DevTools listening on (ws:\S+)/);
  const call = await connect(scope, endpoint);
  const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
  const session = String(sessionId);

  const evaluate = async (expression: string) => {
    try {
      const { result } = await call('Runtime.evaluate', { expression, returnByValue: true }, session);
      return (result as { value?: unknown }).value;
    } catch (error) {
      // The page was left meanwhile.
      if (/context|navigated/i.test((error as Error).message)) return undefined;
      throw error;
    }
  };
  const until = async (expression: string) => {
    try {
      await waitUntil(expression, async () => (await evaluate(`Boolean(${expression})`)) === true);
    } catch (cause) {
      const shown = await evaluate('location.href + "\\n" + document.body.innerText');
      throw new Error(`${(cause as Error).message}; the page shows ${shown}`, { cause });
    }
  };
  const find = async (selector: string) => {
    const element = `document.querySelector(${JSON.stringify(selector)})`;
    await until(`document.readyState === 'complete' && ${element}`);
    return element;
  };
  return {
    open: async (url) => {
      await call('Page.navigate', { url }, session);
    },
    evaluate,
    until,
    click: async (selector) => {
      await evaluate(`${await find(selector)}.click()`);
    },
    fill: async (selector, value) => {
      await evaluate(`${await find(selector)}.value = ${JSON.stringify(value)}`);
    },
    text: async (selector) => String(await evaluate(`${await find(selector)}.textContent`)),
  };
}

type Answer = Readonly<Record<string, unknown>>;
type Call = (method: string, params: object, sessionId?: string) => Promise<Answer>;

/** Speaks the Chrome DevTools Protocol. */
async function connect(scope: CleanupScope, endpoint: string): Promise<Call> {
  const socket = new WebSocket(endpoint);
  const waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve(), { once: true });
    socket.addEventListener('error', () => reject(new Error('chromium does not answer')), { once: true });
  });
  defer(scope, () => socket.close());
  socket.addEventListener('close', () => {
    for (const { reject } of waiting.values()) reject(new Error('chromium has gone'));
    waiting.clear();
  });
  socket.addEventListener('message', ({ data }) => {
    const { id, result, error } = JSON.parse(String(data));
    const one = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) one?.resolve(result);
    else one?.reject(new Error(error.message));
  });
  let last = 0;
  return (method, params, sessionId) =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, { resolve, reject });
      socket.send(
        JSON.stringify({ id: last, method, params, ...(sessionId !== undefined && { sessionId }) }),
      );
    });
}
