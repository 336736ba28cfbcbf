/** RFC 6749, section 5.2. */
export type TokenRefusalCode = 'invalid_grant' | 'invalid_request' | 'unsupported_grant_type';

/** The token server's refusal. Some programs read OAuth2's form of it and others the registry's, so it has both. */
export class TokenRefusal extends Error {
  readonly code: TokenRefusalCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: TokenRefusalCode,
    message: string,
    options: ErrorOptions & { readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message, options);
    this.name = 'TokenRefusal';
    this.code = code;
    this.headers = options.headers ?? {};
  }
}
