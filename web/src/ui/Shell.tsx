import type { ReactNode } from 'react';
import type { Trouble } from '../page/page-state.js';
import { Mark } from './Mark.js';

/** The black page: the sign and the account above, one thing in the middle, a quiet line below. */
export function Shell({
  children,
  account,
  note,
  bare = false,
}: {
  children: ReactNode;
  account?: ReactNode;
  note?: string | undefined;
  bare?: boolean;
}) {
  return (
    <div className="shell">
      <header>
        {!bare && <Mark size="small" />}
        {account}
      </header>
      <main>{children}</main>
      <footer role="status">{note !== undefined && <p data-testid="offline">{note}</p>}</footer>
    </div>
  );
}

/** What did not work, and the way on. */
export function TroubleView({ trouble, onRetry }: { trouble: Trouble; onRetry: () => void }) {
  return (
    <section className="words" role="alert" data-testid="trouble">
      <h1>{trouble.title}</h1>
      <p>{trouble.detail}</p>
      {trouble.remedy !== 'none' && (
        <p className="actions">
          <button
            type="button"
            className="first"
            onClick={trouble.remedy === 'reload' ? () => location.reload() : onRetry}
          >
            {trouble.remedy === 'reload' ? 'Load the page again' : 'Try again'}
          </button>
        </p>
      )}
    </section>
  );
}
