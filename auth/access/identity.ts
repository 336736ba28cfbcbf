/** Who makes a request, once the credentials have been verified. */
export type Identity =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'user'; readonly name: string; readonly admin: boolean };

export const ANONYMOUS: Identity = Object.freeze({ kind: 'anonymous' });
