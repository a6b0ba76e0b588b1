/** The one button of somebody who is not signed in. */
export function SignedOut({
  failed,
  busy,
  onSignIn,
}: {
  failed: boolean;
  busy: boolean;
  onSignIn: () => void;
}) {
  return (
    <section className="words">
      <h1 tabIndex={-1}>One tip, at the moment when it helps.</h1>
      {failed && <p role="alert">Signing in did not work. Try once more.</p>}
      <p className="actions">
        <button type="button" className="first" data-testid="sign-in" aria-disabled={busy} onClick={onSignIn}>
          Sign in
        </button>
      </p>
    </section>
  );
}
