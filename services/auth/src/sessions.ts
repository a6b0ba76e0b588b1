import { ProblemError, problem, type UserId } from '@oo/contracts';
import { type BetterAuthOptions, betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { genericOAuth } from 'better-auth/plugins';
import { ensurePerson } from './people.js';
import { type Vault, whileMigrating } from './vault.js';

export interface SessionSettings {
  /** Where the page is; cookies belong there and requests come from there. */
  readonly publicUrl: string;
  /** Signs cookies and encrypts the provider's tokens; at least 32 characters. */
  readonly secret: string;
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void;
  readonly oidc: { readonly issuer: string; readonly clientId: string; readonly clientSecret: string };
}

/** Somebody with a session. */
export interface SignedIn {
  readonly userId: UserId;
  /** What the identity provider calls them; for the page alone. */
  readonly name: string;
}

export interface Sessions {
  /** Answers what comes in under `/api/auth`. */
  handle(request: Request): Promise<Response>;
  /** Whose session the cookies stand for. */
  signedIn(headers: Headers): Promise<SignedIn | undefined>;
}

/** The provider's name in better-auth's paths: its callback is `/api/auth/callback/oidc`. */
export const PROVIDER_ID = 'oidc';

/** What the page needs. Everything else of better-auth is closed. */
const PATHS = new Set([
  'POST /api/auth/sign-in/social',
  `GET /api/auth/callback/${PROVIDER_ID}`,
  'POST /api/auth/sign-out',
]);

const DAY = 86_400;

/** better-auth on the vault: sign-in at one OpenID provider, sessions in cookies. Makes its tables first. */
export async function openSessions(vault: Vault, settings: SessionSettings): Promise<Sessions> {
  const options = {
    appName: 'oO',
    baseURL: settings.publicUrl,
    basePath: '/api/auth',
    secret: settings.secret,
    database: { db: vault.db, type: 'postgres' as const },
    trustedOrigins: [new URL(settings.publicUrl).origin],
    session: { expiresIn: 30 * DAY, updateAge: DAY },
    account: { encryptOAuthTokens: true, accountLinking: { enabled: false } },
    onAPIError: { errorURL: new URL('/?sign-in=failed', settings.publicUrl).href },
    // The gateway limits all its paths alike.
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    advanced: {
      cookiePrefix: 'oo',
      ipAddress: { disableIpTracking: true },
      // Said aloud, since better-auth leaves the check out where an environment variable TEST is set.
      disableOriginCheck: false,
      disableCSRFCheck: false,
    },
    // Its further arguments may hold what is nobody's business.
    logger: { level: 'warn', disableColors: true, log: (level, message) => settings.log(level, message) },
    plugins: [
      genericOAuth({
        config: [
          {
            providerId: PROVIDER_ID,
            discoveryUrl: `${settings.oidc.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
            clientId: settings.oidc.clientId,
            clientSecret: settings.oidc.clientSecret,
            requireIdTokenVerification: true,
            scopes: ['openid', 'email', 'profile'],
            overrideUserInfo: true,
          },
        ],
      }),
    ],
  } satisfies BetterAuthOptions;
  await whileMigrating(vault, async () => {
    const { runMigrations } = await getMigrations(options);
    await runMigrations();
  });
  const auth = betterAuth(options);

  return {
    handle: async (request) => {
      const { pathname } = new URL(request.url);
      if (!PATHS.has(`${request.method} ${pathname}`)) return new Response(null, { status: 404 });
      return auth.handler(request);
    },
    signedIn: async (headers) => {
      const session = await auth.api.getSession({ headers }).catch(async (error: unknown) => {
        // better-auth says nothing of why.
        if (await vault.answers()) throw error;
        throw new ProblemError(problem('unavailable', 'The vault does not answer. Try again in a moment.'));
      });
      if (session === null) return undefined;
      const account = await vault.db
        .selectFrom('account')
        .select('accountId')
        .where('userId', '=', session.user.id)
        .where('providerId', '=', PROVIDER_ID)
        .executeTakeFirst();
      if (account === undefined) return undefined;
      const userId = await ensurePerson(vault, { issuer: settings.oidc.issuer, subject: account.accountId });
      return { userId, name: session.user.name };
    },
  };
}
