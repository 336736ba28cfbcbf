import { html } from '../../markup/html.ts';
import type { RequestRouter } from '../../request-context.ts';
import type { ApiCalls } from '../api-calls.ts';
import { pageHead } from '../parts.ts';
import { addSection, type SectionHead } from '../section/add-section.ts';
import { APPS } from './apps-section.ts';
import { HOSTS } from './hosts-section.ts';

const head: SectionHead = (_ctx, { lead, title }, detail) => (detail ? html`` : pageHead(title, { lead }));

/** Adds the pages of apps with their releases and rollouts, and of the hosts that run them. */
export function addFleetPages(router: RequestRouter, api: ApiCalls): void {
  for (const section of [APPS, HOSTS]) addSection(router, api, section, head);
}
