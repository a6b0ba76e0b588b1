const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const DIGITS = Buffer.from('0123456789abcdef');
const PATTERN = /^\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$/i;

/** The 16 bytes of a UUID as it is printed. @throws when the text is none. */
export function parseUuid(text: string): Buffer {
  const match = PATTERN.exec(text.trim());
  if (match === null) throw new Error(`'${text}' is not a UUID`);
  return Buffer.from(match.slice(1).join(''), 'hex');
}

export function uuidText(id: Uint8Array): string {
  const h = (n: number): string => HEX[id[n] ?? 0] ?? '';
  return (
    `${h(0)}${h(1)}${h(2)}${h(3)}-${h(4)}${h(5)}-${h(6)}${h(7)}-${h(8)}${h(9)}-` +
    `${h(10)}${h(11)}${h(12)}${h(13)}${h(14)}${h(15)}`
  );
}

/** Writes the 36 characters of a UUID. */
export function writeUuidText(target: Uint8Array, offset: number, id: Uint8Array, idAt: number): void {
  let at = offset;
  for (let n = 0; n < 16; n++) {
    if (n === 4 || n === 6 || n === 8 || n === 10) target[at++] = 0x2d;
    const byte = id[idAt + n] ?? 0;
    target[at++] = DIGITS[byte >> 4] ?? 0;
    target[at++] = DIGITS[byte & 15] ?? 0;
  }
}

/** Reads 36 characters as 16 bytes; undefined when they are not a UUID in the usual form. */
export function readUuidText(source: Uint8Array, at: number, length: number): Buffer | undefined {
  if (length !== 36) return undefined;
  const id = Buffer.allocUnsafe(16);
  let from = at;
  for (let n = 0; n < 16; n++) {
    if (n === 4 || n === 6 || n === 8 || n === 10) {
      if (source[from++] !== 0x2d) return undefined;
    }
    const high = digit(source[from++] ?? 0);
    const low = digit(source[from++] ?? 0);
    if (high < 0 || low < 0) return undefined;
    id[n] = (high << 4) | low;
  }
  return id;
}

function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
