const COMMON = `They work on the registry's database, beside a running server, and hold at once for new logins;
revoked access ends when its last token expires (--token-life of berth serve). Options of all of them:
--data DIR, --database URL and --config FILE, as berth serve has them. Lists take --format table, json (one document) or
jsonl (an object for each line).
`;

const SECRETS = `  --expires TIME        when it ends, such as 12h, or never (default 90d)
  --kubernetes          print the Secret for imagePullSecrets instead, with --server HOST[:PORT] as image names begin,
                        and --secret-name NAME (default berth) and --namespace NAME
`;

/** `berth COMMAND --help` of the commands about accounts. */
export const ACCOUNTS_HELP = {
  user: `The people who can log in.

Usage: berth user list
       berth user add NAME [--admin] [--password-stdin]
       berth user password NAME [--password-stdin]   its logins end
       berth user admin NAME on|off                  whether the person is an administrator
       berth user link NAME PROVIDER SUBJECT         the person with this "sub" at the provider logs in to it
       berth user unlink NAME PROVIDER               takes that back; the password stays in both cases
       berth user remove NAME                        with its roles, tokens, robots and logins

A password is made and printed unless it is given on standard input.
${COMMON}`,
  team: `Teams: people who have roles together.

Usage: berth team list
       berth team add TEAM
       berth team remove TEAM
       berth team join TEAM USER
       berth team leave TEAM USER

${COMMON}`,
  grant: `Who may do what with which repositories. Repositories without a grant are private.

Usage: berth grant list
       berth grant add HOLDER PATTERN ROLE
       berth grant remove HOLDER PATTERN

HOLDER is user:NAME, team:NAME, or public for everybody without logging in. PATTERN is the name of a repository in
which * stands for any characters, slashes too, such as team/*. ROLE is reader (pulls), writer (pushes as well),
maintainer (deletes as well) or admin (grants roles on the same repositories as well); public can be a reader.
A person, a team and the public have at most 1000 roles each.
${COMMON}`,
  rule: `Roles for jobs of other systems (CI, clusters): a job logs in with any user name, and as the password the OpenID
Connect token that its system gives it. There is no secret to store.

Usage: berth rule list
       berth rule add NAME PATTERN ROLE --issuer URL --audience TEXT --claim NAME=VALUE…
       berth rule remove NAME

  --issuer URL          the system, as "iss" of its tokens; its keys are fetched from there
  --audience TEXT       "aud" of the tokens, such as the URL of this registry
  --claim NAME=VALUE    a claim that the token must have, such as repository=team/app; * stands for any characters;
                        repeat it for more, which all must match
PATTERN and ROLE are as berth grant has them.
${COMMON}`,
  provider: `OpenID Connect providers whose people log in at /auth/ of the registry, or with "berth login" in a terminal. A first
login makes an account; names of existing accounts are refused. Register the registry at the provider as a client with
the redirect URI https://REGISTRY/auth/callback.

Usage: berth provider list
       berth provider add NAME --issuer URL --client-id ID --client-secret-stdin [options]
       berth provider remove NAME                    its sessions end; accounts and tokens stay

  --issuer URL          below which /.well-known/openid-configuration is
  --client-id ID        under which the provider knows the registry
  --client-secret-stdin read the client's secret from standard input; it is kept as it is, in the database
  --name-claim CLAIM    what names the account (default preferred_username)
  --groups-claim CLAIM  what lists somebody's groups (default groups)
  --group GROUP=TEAM    at login, members of the group join the team and others leave it; repeat it for more
${COMMON}`,
  webhook: `Receivers of events in repositories, as CloudEvents in JSON (structured mode): at least once, and in order for each
repository. While the receiver is down they wait, at most 10,000 of them and for 7 days. There are at most 100 receivers.

Usage: berth webhook list
       berth webhook add NAME URL [--event EVENT]… [--repository PATTERN] [--secret-stdin]
                         [--webhook-private on]
       berth webhook remove NAME                     with its waiting events
       berth webhook test NAME [--webhook-private on]  send an event of the type berth.test now

  --event EVENT         push or delete (of manifests and tags), mount (of a blob), pull (some of them) or rollout (the end
                        of one of an app); repeat it for more (default: push, delete and mount)
  --repository PATTERN  which repositories, such as team/* (default: all)
  --secret-stdin        sign with the secret on standard input; otherwise one is made and printed
A receiver checks X-Berth-Signature-256: "sha256=" and the HMAC-SHA256 in hexadecimal digits, under the secret, of
X-Berth-Timestamp, a dot and the body; and that the timestamp, in seconds since 1970, is recent. Private addresses are
refused unless berth serve has --webhook-private on; the command needs it too, as an option, or in the environment or file.
${COMMON}`,
  'tag-rule': `Tags that cannot be moved, and tags that only maintainers set.

Usage: berth tag-rule list
       berth tag-rule add PATTERN [--tags TAGS] --immutable|--protected
       berth tag-rule remove PATTERN [--tags TAGS]

  --tags TAGS           which tags, such as v*; * stands for any characters (default: all)
  --immutable           an existing tag is never moved; only admins of the repository delete it, or content it needs
  --protected           only maintainers and admins of the repository set and delete it
PATTERN is as berth grant has it.
${COMMON}`,
  quota: `Limits of bytes for repositories together. Content that several of them share counts once; unfinished uploads count.

Usage: berth quota list
       berth quota set PATTERN SIZE                  such as team/* 20GiB; existing content stays
       berth quota remove PATTERN

Deleted content counts until it is garbage collected. PATTERN is as berth grant has it.
${COMMON}`,
  token: `Personal tokens, which programs use in place of a password; the logins that docker keeps; the keys of the token server.

Usage: berth token list USER
       berth token create USER [--name TEXT] [--scope PATTERN:ACTIONS]… [options]
       berth token revoke ID                         of a token or a login
       berth token rotate-keys [--now]               sign with a new key; --now: revoke tokens signed with other keys

  --name TEXT           what it is for
  --scope SCOPE         limits it, for example to team/*:pull,push; repeat it for more (default: all repositories, apps
                        and hosts of the user). Other parts of the management API need registry:manage,
                        registry:read, or registry: and one of accounts, apps, audit, credentials, grants, hosts,
                        keys, settings; registry:apps is for apps whose names the other scopes match
${SECRETS}
${COMMON}`,
  robot: `Robot accounts: programs with a name of their own, within the rights of a person or a team.

Usage: berth robot list
       berth robot create OWNER NAME --scope PATTERN:ACTIONS… [options]
                                                     OWNER is user:NAME or team:NAME; it logs in as OWNER+NAME
       berth robot rotate ROBOT [options]            makes a new secret; the old one ends
       berth robot remove ROBOT

  --scope SCOPE         what it may do, as far as its owner may, such as team/*:pull,push; repeat it for more; also
                        registry:audit and others, as for berth token
${SECRETS}
${COMMON}`,
} as const;
