// What pages do besides links and forms: every page works without it.

for (const button of document.querySelectorAll('[data-copy]')) button.hidden = false;

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
      for (const button of found.querySelectorAll('[data-copy]')) button.hidden = false;
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
