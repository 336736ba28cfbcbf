import { text } from '../api/schema.ts';

/** Repositories, as grants, rules, quotas and webhooks name them. */
export const PATTERN = text({ description: 'A repository name in which * stands for any characters' });

/** The name of a rule, provider or webhook. */
export const NAME = text({ description: 'Lower-case letters, digits and . _ -' });
