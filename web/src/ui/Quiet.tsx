import { Mark } from './Mark.js';

/** Nothing to say, which is most of the time. */
export function Quiet() {
  return (
    <section className="quiet" data-testid="no-tip">
      <Mark size="large" breathing />
      <h1 tabIndex={-1}>All quiet.</h1>
    </section>
  );
}

/** The sign alone, and only where waiting takes a while. */
export function Loading() {
  return (
    <section className="quiet late">
      <Mark size="large" breathing />
      <h1 className="unseen" tabIndex={-1}>
        oO is waking up.
      </h1>
    </section>
  );
}
