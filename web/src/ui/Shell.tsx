import type { ReactNode } from 'react';
import type { Trouble } from '../page/page-state.js';
import { Mark } from './Mark.js';

/** The black page: the sign and the account above, one thing in the middle, a quiet line below. */
export function Shell({
  children,
  account,
  note,
  refusal,
  onRefusalRead,
  bare = false,
}: {
  children: ReactNode;
  account?: ReactNode;
  note?: string | undefined;
  refusal?: string | undefined;
  onRefusalRead?: () => void;
  bare?: boolean;
}) {
  return (
    <div className="shell">
      <header>
        {!bare && <Mark size="small" />}
        {account}
      </header>
      <main>{children}</main>
      <footer>
        {/* Always there, since only what changes inside it is read aloud. */}
        <div role="status">
          {refusal !== undefined && <p data-testid="refusal">{refusal}</p>}
          {note !== undefined && <p data-testid="note">{note}</p>}
        </div>
        {refusal !== undefined && (
          <button type="button" className="quiet-button" data-testid="refusal-read" onClick={onRefusalRead}>
            Dismiss
          </button>
        )}
      </footer>
    </div>
  );
}

/** What did not work, and the way on. */
export function TroubleView({ trouble, onRetry }: { trouble: Trouble; onRetry: () => void }) {
  return (
    <section className="words" role="alert" data-testid="trouble">
      <h1 tabIndex={-1}>{trouble.title}</h1>
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
