import { Mark } from './Mark.js';

/** Nothing to say, which is most of the time. */
export function Quiet() {
  return (
    <section className="quiet" data-testid="no-tip">
      <Mark size="large" breathing />
      <p>All quiet.</p>
    </section>
  );
}

/** The sign alone, and only where waiting takes a while. */
export function Loading() {
  return (
    <section className="quiet late">
      <Mark size="large" breathing />
      <p className="unseen">oO is waking up.</p>
    </section>
  );
}
