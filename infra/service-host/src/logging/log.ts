import { type DestinationStream, destination, type Level, type Logger, pino } from 'pino';

/** Structured log: JSON lines. Ids, codes and counts go in; payload texts and secrets never do. */
export type Log = Logger;

/** @param to standard error by default, written at once, so that a crash loses no line */
export function createLog(
  service: string,
  level: Level | 'silent' = 'info',
  to: DestinationStream = destination({ dest: 2, sync: true }),
): Log {
  return pino({ level, base: { service, pid: process.pid } }, to);
}
