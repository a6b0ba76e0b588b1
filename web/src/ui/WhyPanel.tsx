import type { Explanation } from '@oo/gateway';
import { useEffect, useRef } from 'react';
import type { Why } from '../page/page-state.js';

/** The reasons, in words, in a sheet over the page. Escape or a tap beside it closes it. */
export function WhyPanel({ why, onClose }: { why: Why; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const sheet = dialog.current;
    if (sheet !== null && !sheet.open) sheet.showModal();
  }, []);
  return (
    <dialog
      ref={dialog}
      className="why"
      data-testid="why-panel"
      aria-label="Why this tip"
      onClose={onClose}
      // The backdrop is the dialog itself; its content lies in the element within.
      onClick={({ target, currentTarget }) => target === currentTarget && currentTarget.close()}
      onKeyDown={({ key, currentTarget }) => key === '?' && currentTarget.close()}
    >
      <div className="sheet">
        {why.kind === 'loading' && <p className="soft">One moment.</p>}
        {why.kind === 'trouble' && <p role="alert">{why.detail}</p>}
        {why.kind === 'reasons' && <Reasons explanation={why.explanation} />}
        <button type="button" className="quiet-button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}

/** Of many small reasons, these many are told; the rest is for `oo why`. */
const TOLD_FOR = 3;
const TOLD_AGAINST = 2;

function Reasons({ explanation }: { explanation: Explanation }) {
  const { trigger, momentReasons, tipReasons } = explanation;
  return (
    <>
      <ReasonList title="Why now" lead={trigger.words} reasons={momentReasons} />
      <ReasonList title="Why this" reasons={tipReasons} />
    </>
  );
}

function ReasonList({
  title,
  lead,
  reasons,
}: {
  title: string;
  lead?: string;
  reasons: Explanation['tipReasons'];
}) {
  // They come by their strength; what spoke against it stands behind what spoke for it.
  const told = [
    ...reasons.filter(({ contribution }) => contribution >= 0).slice(0, TOLD_FOR),
    ...reasons.filter(({ contribution }) => contribution < 0).slice(0, TOLD_AGAINST),
  ];
  const most = Math.max(...told.map(({ contribution }) => Math.abs(contribution)), Number.MIN_VALUE);
  if (lead === undefined && told.length === 0) return null;
  return (
    <section>
      <h2>{title}</h2>
      {lead !== undefined && <p>{lead}</p>}
      {told.length > 0 && (
        <ul>
          {told.map(({ code, words, contribution }) => (
            <li key={code} className={contribution < 0 ? 'against' : 'for'}>
              <span>
                {contribution < 0 && <span className="sign">Against it: </span>}
                {words}
              </span>
              <meter min={0} max={1} value={Math.abs(contribution) / most} aria-hidden="true" />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
