import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { gateway } from './gateway/client.js';
import { signIn, signOut } from './gateway/session.js';
import { Memory } from './memory/memory.js';
import { Page } from './page/page.js';
import { PageView } from './ui/PageView.js';
import { Shell, TroubleView } from './ui/Shell.js';
import './ui/styles.css';

const place = document.getElementById('page');
if (place === null) throw new Error('index.html has no place for the page');
const root = createRoot(place);

if ('serviceWorker' in navigator) {
  // Without it the page works as well, only not offline.
  navigator.serviceWorker.register('/service-worker.js').catch(reportError);
}

try {
  const page = new Page({ gateway, memory: await Memory.open(), signIn, signOut });
  root.render(
    <StrictMode>
      <PageView page={page} />
    </StrictMode>,
  );
  await page.start();
} catch (error) {
  reportError(error);
  root.render(
    <Shell>
      <TroubleView
        trouble={{
          title: 'This browser gives oO no storage.',
          detail: 'Allow this site to store data, or leave private browsing, and load the page again.',
          remedy: 'reload',
        }}
        onRetry={() => location.reload()}
      />
    </Shell>,
  );
}
