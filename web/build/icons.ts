import { crc32, deflateSync } from 'node:zlib';
import type { Plugin } from 'vite';

/** oO's mark, two rings, in units of the icon's edge. A maskable icon keeps within the middle 80 %. */
const RINGS = [
  { x: 0.305, y: 0.595, r: 0.105 },
  { x: 0.605, y: 0.5, r: 0.2 },
] as const;
const STROKE = 0.026;
const INK = [242, 239, 233] as const;

export function iconSvg(): string {
  const hex = INK.map((part) => part.toString(16).padStart(2, '0')).join('');
  const circles = RINGS.map(({ x, y, r }) => `<circle cx="${x * 512}" cy="${y * 512}" r="${r * 512}"/>`).join(
    '',
  );
  return (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><rect width="512" height="512"/>' +
    `<g fill="none" stroke="#${hex}" stroke-width="${STROKE * 512}">${circles}</g></svg>\n`
  );
}

/** The same as a PNG (RFC 2083), 8 bits a channel, edges smoothed by their distance from the pixel's middle. */
export function iconPng(size: number): Uint8Array {
  const rows = Buffer.alloc(size * (1 + size * 3));
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const cover = coverage((x + 0.5) / size, (y + 0.5) / size, size);
      INK.forEach((part, channel) => {
        // The first byte of a row names its filter: none.
        rows[y * (1 + size * 3) + 1 + x * 3 + channel] = Math.round(part * cover);
      });
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  // 8 bits a channel, colour type 2 (RGB), no interlacing.
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND')]);
}

/** How much of a pixel the rings cover, from 0 to 1. */
function coverage(x: number, y: number, size: number): number {
  let most = 0;
  for (const ring of RINGS) {
    const fromStroke = Math.abs(Math.hypot(x - ring.x, y - ring.y) - ring.r) - STROKE / 2;
    most = Math.max(most, Math.min(1, Math.max(0, 0.5 - fromStroke * size)));
  }
  return most;
}

function chunk(type: string, data: Uint8Array = new Uint8Array()): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

export const ICON_SIZES = [180, 192, 512] as const;

/** Draws the icons at build time, so that no picture is in the repository. */
export function icons(): Plugin {
  return {
    name: 'oo-icons',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'icon.svg', source: iconSvg() });
      for (const size of ICON_SIZES) {
        this.emitFile({ type: 'asset', fileName: `icon-${size}.png`, source: iconPng(size) });
      }
    },
  };
}
