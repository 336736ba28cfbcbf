import { text } from 'node:stream/consumers';
import { EntryExistsError, SettingInvalidError } from '../../auth/errors.ts';
import { chooseProxy } from '../../lib/http/proxies/choose-proxy.ts';
import { readOutgoingProxies } from '../config/outgoing-proxies.ts';
import { unknownWebhook } from '../management/webhooks.ts';
import { testEvent } from '../webhooks/cloud-event.ts';
import { createDeliver } from '../webhooks/deliver.ts';
import { parseWebhook } from '../webhooks/parse-webhook.ts';
import { createRefuseReceiver } from '../webhooks/public-addresses.ts';
import { type Action, type ActionInput, runAccountsCommand } from './accounts-command.ts';

const ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: [],
    run: async ({ catalog, show }) => {
      const hooks = (await catalog.webhooks.list()).map(
        ({ name, url, events, pattern, waiting, dropped, failure }) => ({
          ...{ name, url, events, pattern, waiting, dropped },
          ...(failure !== undefined && { failure }),
        }),
      );
      show(hooks, [
        { head: 'WEBHOOK', cell: ({ name }) => name },
        { head: 'URL', cell: ({ url }) => url },
        { head: 'REPOSITORIES', cell: ({ pattern }) => pattern },
        { head: 'EVENTS', cell: ({ events }) => events.join(',') },
        { head: 'WAITING', cell: ({ waiting }) => String(waiting) },
        { head: 'DROPPED', cell: ({ dropped }) => String(dropped) },
        { head: 'FAILURE', cell: ({ failure }) => failure ?? '' },
      ]);
    },
  },
  add: {
    words: ['NAME', 'URL'],
    options: {
      event: { type: 'string', multiple: true },
      repository: { type: 'string' },
      'secret-stdin': { type: 'boolean' },
      'webhook-private': { type: 'string' },
    },
    run: async (input) => {
      const { catalog, option, options, flag, print, tell } = input;
      const [name = '', url = ''] = input.words;
      const given = flag('secret-stdin') ? (await text(process.stdin)).replace(/\r?\n$/, '') : undefined;
      const events = options('event');
      const webhook = parseWebhook({
        name,
        url,
        events: events.length === 0 ? ['push', 'delete', 'mount'] : events,
        pattern: option('repository') ?? '*',
        secret: given,
      });
      await createRefuseReceiver(allowsPrivate(input))(webhook.url);
      if (!(await catalog.webhooks.create(webhook))) {
        throw new EntryExistsError(`there is already a webhook ${name}: remove it first`);
      }
      if (given !== undefined) return;
      tell('The secret with which its events are signed:');
      print(webhook.secret);
    },
  },
  remove: {
    words: ['NAME'],
    run: async ({ catalog, words: [name = ''] }) => {
      if (!(await catalog.webhooks.remove(name))) throw unknownWebhook(name);
    },
  },
  test: {
    words: ['NAME'],
    options: { 'webhook-private': { type: 'string' } },
    run: async (input) => {
      const { catalog, print } = input;
      const [name = ''] = input.words;
      const webhook = await catalog.webhooks.find(name);
      if (webhook === undefined) throw unknownWebhook(name);
      const deliver = createDeliver({
        allowPrivate: allowsPrivate(input),
        choose: chooseProxy(readOutgoingProxies(process.env)),
      });
      const outcome = await deliver(webhook, testEvent(webhook), new AbortController().signal);
      if (outcome.kind !== 'told') throw new SettingInvalidError(outcome.failure);
      print('the receiver accepted the event');
    },
  },
};

function allowsPrivate({ option, config }: Pick<ActionInput, 'config' | 'option'>): boolean {
  return option('webhook-private') === 'on' || config.webhookPrivate;
}

/** `berth webhook`: receivers of events in repositories. */
export function webhook(args: readonly string[]): Promise<number> {
  return runAccountsCommand('webhook', ACTIONS, args);
}
