import { useEffect, useSyncExternalStore } from 'react';
import type { Page } from '../page/page.js';
import { noteOf, type PageState, refusalOf, viewOf } from '../page/page-state.js';
import { Begin } from './Begin.js';
import { KeptFocus } from './KeptFocus.js';
import { Loading, Quiet } from './Quiet.js';
import { Shell, TroubleView } from './Shell.js';
import { SignedOut } from './SignedOut.js';
import { Tip } from './Tip.js';
import { WhyPanel } from './WhyPanel.js';

const hasFailed = new URLSearchParams(location.search).get('sign-in') === 'failed';

export function PageView({ page }: { page: Page }) {
  const state = useSyncExternalStore(page.subscribe, page.state);
  const view = viewOf(state);
  useShortcuts(page, view.kind === 'tip' && state.why === undefined);
  return (
    <KeptFocus>
      <Shell
        bare={view.kind === 'quiet' || view.kind === 'loading'}
        account={<Account state={state} page={page} />}
        note={noteOf(state)}
        refusal={refusalOf(state)}
        onRefusalRead={page.putAwayRefusals}
      >
        {/* What comes by itself is read aloud when the reader has finished. */}
        <div className="one" aria-live="polite" aria-busy={view.kind === 'loading'}>
          {view.kind === 'loading' && <Loading />}
          {view.kind === 'trouble' && <TroubleView trouble={view.trouble} onRetry={page.retry} />}
          {view.kind === 'signed-out' && (
            <SignedOut failed={hasFailed} busy={state.busy} onSignIn={page.signIn} />
          )}
          {view.kind === 'begin' && <Begin name={view.name} busy={state.busy} onBegin={page.begin} />}
          {view.kind === 'quiet' && <Quiet />}
          {view.kind === 'tip' && (
            <Tip
              key={view.tip.tipId}
              tip={view.tip}
              onSeen={page.seen}
              onAnswer={page.answer}
              onWhy={page.openWhy}
            />
          )}
        </div>
        {view.kind === 'tip' && state.why !== undefined && (
          <WhyPanel why={state.why} onClose={page.closeWhy} />
        )}
      </Shell>
    </KeptFocus>
  );
}

function Account({ state: { person, busy, link }, page }: { state: PageState; page: Page }) {
  if (person.kind !== 'member' && person.kind !== 'newcomer') return null;
  const isOff = busy || link.kind === 'away';
  return (
    <p className="account">
      <span>{person.name}</span>
      <button
        type="button"
        className="quiet-button"
        data-testid="sign-out"
        aria-disabled={isOff}
        onClick={isOff ? undefined : page.signOut}
      >
        Sign out
      </button>
    </p>
  );
}

/** d, l and n answer; ? asks why. */
function useShortcuts(page: Page, active: boolean): void {
  useEffect(() => {
    if (!active) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      const act = {
        d: () => page.answer('done'),
        l: () => page.answer('later'),
        n: () => page.answer('no'),
        '?': page.openWhy,
      }[event.key.toLowerCase()];
      if (act === undefined) return;
      event.preventDefault();
      act();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [page, active]);
}
