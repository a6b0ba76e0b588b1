/** Writes one line of JSON (64-bit numbers as strings), or the lines of a text. */
export function print(json: boolean, value: unknown, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(value, bigintAsText) : text()}\n`);
}

/** An error as text, or with `json` as one line: {"error":{"exitCode":…,"message":…}}. */
export const errorText = (json: boolean, exitCode: number, message: string): string =>
  json ? JSON.stringify({ error: { exitCode, message } }) : `oo: ${message}`;

const bigintAsText = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? String(value) : value;

/** Left-aligned columns, two spaces apart; the last column is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(head), ...rows.map(line)].join('\n');
}

/** What a command ends with. */
export const EXIT = {
  ok: 0,
  /** It ran, and what it checked is not as it should be. */
  differs: 1,
  /** The call's words are off. */
  usage: 2,
  /** oO does not run here, or a part of it does not answer. */
  unavailable: 3,
  /** There is no such thing. */
  notFound: 4,
  /** The input was refused. */
  refused: 5,
  /** A bug in oO. */
  unexpected: 70,
} as const;

/** Ends a command with a message and an exit code instead of a stack. */
export class CommandError extends Error {
  constructor(
    readonly exitCode: number,
    message: string,
  ) {
    super(message);
  }
}
