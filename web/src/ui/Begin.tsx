/** What a newcomer agrees to. Its words belong to the terms' version in the gateway (`tips-1`): change both. */
export function Begin({ name, busy, onBegin }: { name: string; busy: boolean; onBegin: () => void }) {
  return (
    <section className="words">
      <h1 tabIndex={-1}>{name === '' ? 'Hello.' : `Hello, ${name}.`}</h1>
      <p>
        oO follows signals of your day: tasks, habits, calendar, mood, and when this page is open. Now and
        then it shows one tip here. Most of the time it says nothing.
      </p>
      <p>
        What happens is kept under a random name. The words of your tasks stay where they are; they are
        fetched only when you see them.
      </p>
      <p>With “Begin” you allow this.</p>
      <p className="actions">
        <button type="button" className="first" data-testid="begin" aria-disabled={busy} onClick={onBegin}>
          Begin
        </button>
      </p>
    </section>
  );
}
