import { text } from '../api/schema.ts';

/** A pattern of repositories in grants, rules, quotas and webhooks. */
export const PATTERN = text({ description: 'A repository name in which * stands for any characters' });

/** The name of a rule, provider or webhook. */
export const NAME = text({ description: 'Lower-case letters, digits and . _ -' });
