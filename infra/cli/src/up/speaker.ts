import type { Say } from './up.js';

/** How seldom progress is told where lines cannot be written over, in milliseconds. */
const SELDOM_MS = 5_000;

/** Writes lines. Progress takes one line of a terminal, and a line now and then elsewhere. */
export function speaker(to: NodeJS.WriteStream): Say {
  let last = 0;
  let passing = false;
  return (line, kind) => {
    if (kind === 'passing' && !to.isTTY) {
      if (Date.now() - last < SELDOM_MS) return;
      last = Date.now();
    }
    const over = passing ? '\r\x1b[K' : '';
    passing = kind === 'passing' && to.isTTY;
    to.write(`${over}${line}${passing ? '' : '\n'}`);
  };
}
