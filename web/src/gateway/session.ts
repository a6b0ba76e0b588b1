import { UnexpectedAnswer } from './problem.js';

async function post(path: string, body: unknown): Promise<Response> {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new UnexpectedAnswer(`${path} was answered with ${response.status}`);
  return response;
}

/** Leaves for the identity provider, which sends the browser back here. @throws when the gateway does not answer */
export async function signIn(): Promise<void> {
  const response = await post('/api/auth/sign-in/social', {
    provider: 'oidc',
    callbackURL: '/',
    errorCallbackURL: '/?sign-in=failed',
  });
  const answer: unknown = await response.json();
  if (typeof answer !== 'object' || answer === null || !('url' in answer) || typeof answer.url !== 'string') {
    throw new UnexpectedAnswer('there is no way to the identity provider');
  }
  location.assign(answer.url);
}

/** Ends the session. @throws when the gateway does not answer; then the session goes on */
export async function signOut(): Promise<void> {
  await post('/api/auth/sign-out', {});
}
