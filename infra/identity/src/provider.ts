import { interactionPolicy, Provider } from 'oidc-provider';
import type { Accounts } from './accounts.js';
import type { Keys } from './keys.js';
import { errorPage, signInPolicy } from './sign-in-page.js';

export interface ProviderSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Where oO's page is; the provider sends people back there and nowhere else. */
  readonly publicUrl: string;
}

/** Where better-auth takes people back, under the page's address. */
export const CALLBACK_PATH = '/api/auth/callback/oidc';

/** The OpenID provider with one client, oO. Its sessions are in memory; accounts and keys are not. */
export function openProvider(settings: ProviderSettings, keys: Keys, accounts: Accounts): Provider {
  const back = new URL('/', settings.publicUrl);
  const provider = new Provider(settings.issuer, {
    clients: [
      {
        client_id: settings.clientId,
        client_secret: settings.clientSecret,
        redirect_uris: [new URL(CALLBACK_PATH, settings.publicUrl).href],
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_post',
        id_token_signed_response_alg: 'ES256',
      },
    ],
    jwks: { keys: [keys.signing] },
    cookies: {
      keys: [keys.cookie],
      // Cookies know no port: these names keep them apart from the page's on the same host.
      names: { session: 'oo-id.session', interaction: 'oo-id.interaction', resume: 'oo-id.resume' },
    },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    // oO reads who somebody is from the id token, so that one answer is enough.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: false } },
    interactions: { policy: askWhoEveryTime(), url: (_context, { uid }) => `/interaction/${uid}` },
    ttl: {
      Session: 3600,
      Interaction: 3600,
      Grant: 3600,
      AccessToken: 600,
      IdToken: 600,
      AuthorizationCode: 60,
    },
    findAccount: (_context, subject) => {
      const account = accounts.bySubject(subject);
      if (account === undefined) return undefined;
      const { name, email } = account;
      return { accountId: subject, claims: () => ({ sub: subject, name, email, email_verified: true }) };
    },
    // The one client is oO itself, so there is nobody else to consent to.
    loadExistingGrant: async ({ oidc }) => {
      if (oidc.client === undefined || oidc.session?.accountId === undefined) return undefined;
      const grant = new oidc.provider.Grant({
        clientId: oidc.client.clientId,
        accountId: oidc.session.accountId,
      });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
    renderError: (context, { error, error_description }) => {
      context.type = 'html';
      context.set('content-security-policy', signInPolicy([back.origin]));
      context.body = errorPage(`${error_description ?? error}. Go back and sign in again.`, back.href);
    },
  });
  return provider;
}

/** Whoever comes is asked who they are, also with a session: on one machine people take turns. */
function askWhoEveryTime(): interactionPolicy.Prompt[] {
  const policy = interactionPolicy.base();
  policy
    .get('login')
    ?.checks.add(
      new interactionPolicy.Check('every_time', 'who is there is asked every time', ({ oidc }) =>
        oidc.result?.login === undefined
          ? interactionPolicy.Check.REQUEST_PROMPT
          : interactionPolicy.Check.NO_NEED_TO_PROMPT,
      ),
    );
  return policy;
}
