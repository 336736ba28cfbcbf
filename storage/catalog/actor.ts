/** What somebody is to a repository, as far as rules of tags go by it. */
export type Standing = 'writer' | 'maintainer' | 'admin';

/** Who a change is made for. Changes without one are the program's own: neither recorded nor refused by rules. */
export interface Actor {
  /** The account, robot or job; undefined when nobody is logged in. */
  readonly name?: string;
  /** Of the client. */
  readonly address?: string;
  readonly standing: Standing;
}
