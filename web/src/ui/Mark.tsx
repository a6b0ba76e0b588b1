/** oO's sign: two rings. It breathes while oO has nothing to say. */
export function Mark({ size, breathing = false }: { size: 'small' | 'large'; breathing?: boolean }) {
  return (
    <svg
      className={`mark ${size}${breathing ? ' breathing' : ''}`}
      viewBox="0 0 74 46"
      fill="none"
      stroke="currentColor"
      aria-hidden="true"
    >
      <circle cx="13" cy="32" r="11.2" />
      <circle cx="50" cy="23" r="21.2" />
    </svg>
  );
}
