import { isTenantId, PARTITIONS, type TenantId } from '@oo/contracts';
import { z } from 'zod';
import { piece } from './config.js';

const url = (protocols: readonly string[]) =>
  z
    .string()
    .refine((text) => text.split(',').every((part) => protocols.includes(URL.parse(part)?.protocol ?? '')));
const port = z.coerce.number().int().min(1).max(65_535);

const RANGE = /^(\d{1,4})(?:-(\d{1,4}))?$/;

/** `all` or `0-31,40`: the partitions of people that a worker owns. */
const partitions = z
  .string()
  .default('all')
  .transform((text, context): ReadonlySet<number> => {
    const ranges = text === 'all' ? [`0-${PARTITIONS - 1}`] : text.split(',');
    const owned = new Set<number>();
    for (const range of ranges) {
      const [, first, last] = RANGE.exec(range.trim()) ?? [];
      const [from, to] = [Number(first), Number(last ?? first)];
      if (!(from <= to && to < PARTITIONS)) {
        context.addIssue({ code: 'custom', message: 'not a range' });
        return z.NEVER;
      }
      for (let partition = from; partition <= to; partition++) owned.add(partition);
    }
    return owned;
  });

const tenant: z.ZodType<TenantId> = z
  .string()
  .default('home')
  .refine(isTenantId)
  .transform((text) => text as TenantId);

/** The variables that more than one process reads. A process picks what it needs into its own schema. */
export const CONFIG = {
  OO_EVENTSTORE_URL: piece(
    url(['esdb:', 'esdb+discover:']),
    'esdb://HOST:PORT?tls=false or another connection string of the event store',
    'secret',
  ),
  OO_NATS_URL: piece(url(['nats:', 'tls:']), 'nats://TOKEN@HOST:PORT, several with commas between', 'secret'),
  OO_READMODELS_URL: piece(
    url(['postgres:', 'postgresql:']),
    'postgres://USER:PASSWORD@HOST:PORT/DATABASE',
    'secret',
  ),
  OO_VAULT_URL: piece(
    url(['postgres:', 'postgresql:']),
    'postgres://USER:PASSWORD@HOST:PORT/DATABASE',
    'secret',
  ),
  OO_PORT: piece(port, 'a port from 1 to 65535'),
  OO_PUBLIC_URL: piece(url(['http:', 'https:']), 'http://HOST:PORT or https://HOST'),
  OO_HEALTH_PORT: piece(port.optional(), 'a port from 1 to 65535, or nothing for no health endpoint'),
  OO_CLOCK: piece(z.enum(['system', 'steered']).default('system'), 'system, steered'),
  OO_LOG_LEVEL: piece(
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
    'trace, debug, info, warn, error, fatal, silent',
  ),
  OO_PARTITIONS: piece(partitions, `all, or numbers and ranges below ${PARTITIONS} such as 0-31,40`),
  OO_TENANT: piece(tenant, 'a lower-case letter, then up to 19 letters and digits'),
  OO_DATA_DIR: piece(z.string().min(1), 'a folder'),
  OTEL_EXPORTER_OTLP_ENDPOINT: piece(
    url(['http:', 'https:']).optional(),
    'http://HOST:4318, a collector that speaks OTLP over HTTP, or nothing for no traces',
  ),
} as const;
