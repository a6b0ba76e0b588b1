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
