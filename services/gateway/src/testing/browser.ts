/** As much of a browser as signing in needs: it follows redirects and keeps cookies, by host and not by port. */
export class TestBrowser {
  readonly #cookies = new Map<string, string>();

  get cookie(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  async fetch(url: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.#cookies.size > 0) headers.set('cookie', this.cookie);
    const response = await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';');
      const [name = '', ...value] = pair.split('=');
      const isGone =
        attributes.some((attribute) => /^ *max-age=0$/i.test(attribute)) || value.join('=') === '';
      if (isGone) this.#cookies.delete(name);
      else this.#cookies.set(name, value.join('='));
    }
    return response;
  }

  /** Goes where it is sent, until it is sent nowhere. */
  async visit(url: string, init: RequestInit = {}): Promise<{ url: string; response: Response }> {
    let [at, response] = [url, await this.fetch(url, init)];
    for (let hops = 0; response.headers.has('location'); hops++) {
      if (hops > 20) throw new Error(`too many redirects at ${at}`);
      at = new URL(response.headers.get('location') ?? '', at).href;
      response = await this.fetch(at);
    }
    return { url: at, response };
  }

  /** From the page's button to the page, by way of the identity provider. */
  async signIn(page: string, who: Record<string, string>): Promise<{ url: string; response: Response }> {
    const answer = await this.fetch(`${page}/api/auth/sign-in/social`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: page },
      body: JSON.stringify({ provider: 'oidc', callbackURL: '/', errorCallbackURL: '/?sign-in=failed' }),
    });
    const { url } = (await answer.json()) as { url: string };
    const asked = await this.visit(url);
    return this.visit(asked.url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(who),
    });
  }
}
