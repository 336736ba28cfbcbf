import type { Role } from '../access/role.ts';

/**
 * That jobs of another system (CI, a cluster) have a role here, on the word of that system: it gives each job an OpenID
 * Connect token, which the job presents as its password. There is no secret to keep.
 */
export interface JobRule {
  readonly name: string;
  /** The system's identifier, an https URL: it tells where its keys are (OpenID Connect Discovery, section 4). */
  readonly issuer: string;
  /** For whom the token must have been made. */
  readonly audience: string;
  /** What the token must say, at least one: a value in which `*` stands for any characters. */
  readonly claims: Readonly<Record<string, string>>;
  readonly role: Role;
  readonly pattern: string;
}

/** Where rules are kept. Each method is one durable step. */
export interface JobRuleStore {
  /** By name; with `issuer`, only those that trust it. */
  list(issuer?: string): Promise<readonly JobRule[]>;
  /** Throws EntryExistsError when the name is taken, SettingInvalidError when there are too many. */
  create(rule: JobRule): Promise<void>;
  /** Answers whether it was there. */
  remove(name: string): Promise<boolean>;
}
