// What pages do besides links and forms: every page works without it.

showCopies(document);
function showCopies(place) {
  for (const button of place.querySelectorAll('[data-copy]')) button.hidden = false;
}

document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy]');
  if (button) await copy(button);
  const link = event.target.closest('a[data-dialog]');
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (link && isPlain && !event.defaultPrevented) {
    event.preventDefault();
    await openDialog(link);
  }
  if (event.target.closest('dialog [data-close]')) {
    event.preventDefault();
    event.target.closest('dialog').close();
  }
});

async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
    say(button, 'Copied');
  } catch {
    // Only pages by HTTPS, or of this machine, reach the clipboard.
    getSelection().selectAllChildren(button.parentElement.querySelector('code'));
    say(button, 'Press Ctrl+C');
  }
}

function say(button, words) {
  button.dataset.label ??= button.textContent;
  const before = button.dataset.label;
  button.textContent = words;
  setTimeout(() => {
    button.textContent = before;
  }, 1600);
}

/** The page of a question, shown over this one. */
async function openDialog(link) {
  const question = await contentOf(link.href, '[data-question]').catch(() => null);
  if (!question) {
    location.assign(link.href);
    return;
  }
  const dialog = document.createElement('dialog');
  const heading = question.querySelector('h1');
  heading.id = 'question';
  dialog.setAttribute('aria-labelledby', 'question');
  dialog.append(question);
  document.body.append(dialog);
  dialog.addEventListener('close', () => {
    dialog.remove();
    link.focus();
  });
  dialog.showModal();
}

async function contentOf(address, selector, signal) {
  const answer = await fetch(address, { headers: { Accept: 'text/html' }, signal });
  if (!answer.ok || new URL(answer.url).origin !== location.origin) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const found = page.querySelector(selector);
  return found && document.adoptNode(found);
}

/** A search that answers while one types: its form has `data-live`, and names the part of the page that it changes. */
for (const form of document.querySelectorAll('form[data-live]')) {
  let running;
  let waiting;
  const search = async () => {
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    // A field of the form may be called `action`.
    const address = new URL(form.getAttribute('action'), location);
    for (const [name, value] of new FormData(form)) if (value !== '') address.searchParams.set(name, value);
    try {
      const found = await contentOf(address, `#${form.dataset.live}`, signal);
      if (signal.aborted || !found) return;
      document.getElementById(form.dataset.live).replaceWith(found);
      showCopies(found);
      history.replaceState(null, '', address);
    } catch {
      // The next key asks again; Enter sends the form.
    }
  };
  form.addEventListener('input', () => {
    clearTimeout(waiting);
    waiting = setTimeout(search, 150);
  });
}

/**
 * A part of the page whose `data-events` tells what happens. One that has a line of news shows it, any other is loaded again,
 * and every `data-every` seconds too.
 */
for (const part of document.querySelectorAll('[data-events]')) {
  const news = part.querySelector('[data-news]');
  const address = new URL(part.dataset.events, location);
  let source;
  let waiting;
  const wait = (milliseconds) => {
    clearTimeout(waiting);
    waiting = setTimeout(change, milliseconds);
  };
  const close = () => {
    source?.close();
    clearTimeout(waiting);
  };
  const change = async () => {
    if (news) {
      news.hidden = false;
      document.removeEventListener('visibilitychange', turn);
      return close();
    }
    // An open question or a selected text stays as it is.
    const isBusy = document.querySelector('dialog') || !getSelection().isCollapsed;
    const found = isBusy ? undefined : await contentOf(location, `#${part.id}`).catch(() => undefined);
    if (found) {
      const before = part.contains(document.activeElement) && document.activeElement;
      part.replaceChildren(...found.childNodes);
      const isSame = (one) =>
        ['href', 'aria-label'].every((name) => one.getAttribute(name) === before.getAttribute(name));
      if (before) [...part.querySelectorAll('a, [tabindex]')].find(isSame)?.focus({ preventScroll: true });
      part.dataset.every = found.dataset.every ?? '';
      showCopies(part);
    }
    const every = isBusy ? 2 : Number(part.dataset.every);
    if (every && !document.hidden) wait(every * 1000);
  };
  const open = () => {
    source = new EventSource(address);
    const take = (event) => {
      address.searchParams.set('after', event.lastEventId);
      wait(300);
    };
    for (const name of `${part.dataset.on} reset`.split(' ')) source.addEventListener(name, take);
    // A browser tries again by itself, but not when the registry has refused.
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED) waiting = setTimeout(turn, 30_000);
    });
    if (part.dataset.every) wait(part.dataset.every * 1000);
  };
  // A browser has few connections for all pages of a registry: one that nobody sees leaves its own to others.
  const turn = () => {
    close();
    if (!document.hidden) open();
  };
  document.addEventListener('visibilitychange', turn);
  turn();
}

/** A log whose `data-lines` gives its lines as they come, as JSON lines. Those that come again are known by their time and text. */
for (const log of document.querySelectorAll('[data-lines]')) {
  const keyOf = (row) => `${row.dataset.time} ${row.textContent}`;
  const shown = new Set([...log.children].map(keyOf));
  let reading;
  let waiting;
  const put = (line) => {
    const row = rowOf(line);
    const key = keyOf(row);
    if (shown.has(key)) return;
    shown.add(key);
    let before = log.lastElementChild;
    while (before && before.dataset.time > row.dataset.time) before = before.previousElementSibling;
    if (before) before.after(row);
    else log.prepend(row);
    if (shown.size <= 1000) return;
    shown.delete(keyOf(log.firstElementChild));
    log.firstElementChild.remove();
  };
  const take = (lines) => {
    if (lines.length === 0) return;
    const isAtEnd = innerHeight + scrollY > document.documentElement.scrollHeight - 40;
    for (const line of lines) put(JSON.parse(line));
    log.hidden = false;
    document.getElementById('no-lines')?.remove();
    if (isAtEnd) scrollTo(0, document.documentElement.scrollHeight);
  };
  const read = async ({ signal }) => {
    let isOver = false;
    try {
      const answer = await fetch(log.dataset.lines, { signal });
      isOver = !answer.ok && answer.status < 500 && answer.status !== 429;
      if (!answer.ok) throw new Error(String(answer.status));
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        const lines = (rest + part.value).split('\n');
        rest = lines.pop();
        take(lines);
      }
    } catch {
      // It is tried again below.
    }
    if (!isOver && !signal.aborted) waiting = setTimeout(turn, 5000);
  };
  const turn = () => {
    reading?.abort();
    clearTimeout(waiting);
    if (document.hidden) return;
    reading = new AbortController();
    read(reading);
  };
  document.addEventListener('visibilitychange', turn);
  turn();
}

/** A line of a log as the registry shows it, or why a host gives none. */
function rowOf({ error, host, instance, line, service, stream, time = new Date().toISOString() }) {
  const row = document.createElement('span');
  row.className = error || stream === 'stderr' ? 'stderr' : 'stdout';
  row.dataset.time = time;
  const origin = document.createElement('span');
  origin.className = 'origin';
  origin.textContent = shownText(`${time.slice(0, 23)} ${host}${error ? '' : ` ${service} ${instance}`}`);
  const text = error ?? (line.length > 2000 ? `${line.slice(0, 2000)} …` : line);
  row.append(origin, shownText(` ${text}\n`));
  return row;
}

/** Without controls, and characters that change the direction in which others are read. */
function shownText(text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  const hidden = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
  return text.replace(/\r\n?/g, '\n').replace(hidden, '\ufffd');
}
