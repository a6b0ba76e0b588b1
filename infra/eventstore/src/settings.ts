import * as net from 'node:net';
import type { SystemStreamsMode } from './streams/system-streams.js';

export interface EventStoreServerOptions {
  /** The folder that holds everything; made when it does not exist. */
  readonly dataDir: string;
  /** 0 chooses a free one. */
  readonly port: number;
  /** The address to listen on, by default loopback. Any other needs `tls`, and accounts. */
  readonly host?: string | undefined;
  /** The address that clients are told; by default the one listened on. */
  readonly advertiseHost?: string | undefined;
  /** PEM. With it, accounts are on. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined;
  /** Whether callers need accounts; by default when `tls` is given. */
  readonly auth?: boolean | undefined;
  /** Whether callers without credentials may use streams that are everyone's; by default not. */
  readonly allowAnonymous?: boolean | undefined;
  /** The first passwords of `admin` and `ops`; used when these accounts do not exist yet. */
  readonly adminPassword?: string | undefined;
  readonly opsPassword?: string | undefined;
  /** Whether `$ce-`, `$et-`, `$bc-`, `$category-` and `$streams` are kept; by default once one is asked for. */
  readonly systemStreams?: SystemStreamsMode | undefined;
  /** Sets damaged parts of the log aside and starts with the rest. */
  readonly repair?: boolean | undefined;
  /** Bytes of data that one append may carry. */
  readonly maxAppendSize?: number | undefined;
  /** Bytes after which a segment of the log is sealed: what is read again after a crash, and indexed in memory. */
  readonly segmentSize?: number | undefined;
  /** How many streams are remembered in memory, about 300 bytes each. */
  readonly streamCache?: number | undefined;
  /** How many event ids are at least remembered, so that a retried append is recognised; about 32 bytes each. */
  readonly idempotencyWindow?: number | undefined;
  /** What the server has to say about its own state, by default to standard error. */
  readonly report?: ((message: string) => void) | undefined;
}

export const LIMITS = {
  /** gRPC messages; EventStoreDB's limit on a log record is just below. */
  messageSize: 17 << 20,
  streamsPerConnection: 100,
  keepAliveMs: 10_000,
  segmentRecords: 1_000_000,
  /** What the events of one append, or of one call's unfinished appends, may take in memory: see `memoryOf`. */
  appendMemory: 64 << 20,
} as const;

export interface CheckedOptions {
  readonly dataDir: string;
  readonly port: number;
  readonly host: string;
  readonly advertiseHost: string;
  readonly tls: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined;
  readonly auth: boolean;
  readonly allowAnonymous: boolean;
  readonly adminPassword: string | undefined;
  readonly opsPassword: string | undefined;
  readonly systemStreams: SystemStreamsMode;
  readonly repair: boolean;
  readonly maxAppendSize: number;
  readonly segmentSize: number;
  readonly streamCache: number;
  readonly idempotencyWindow: number;
  readonly report: (message: string) => void;
}

/** Fills in what was not given. @throws naming the option that is wrong and what it takes. */
export function checkOptions(given: EventStoreServerOptions): CheckedOptions {
  const host = given.host ?? '127.0.0.1';
  const auth = given.auth ?? given.tls !== undefined;
  if (!isLoopback(host) && (given.tls === undefined || !auth)) {
    throw new Error(
      `host is '${host}', which others can reach: that takes tls (a certificate and its key) and accounts; ` +
        'without them only a loopback address is allowed',
    );
  }
  if (given.dataDir === '') throw new Error("dataDir is ''; it takes the folder where everything is kept");
  return {
    dataDir: given.dataDir,
    port: between('port', given.port, 0, 65535),
    host,
    advertiseHost: given.advertiseHost ?? host,
    tls: given.tls,
    auth,
    allowAnonymous: given.allowAnonymous ?? false,
    adminPassword: given.adminPassword,
    opsPassword: given.opsPassword,
    systemStreams: given.systemStreams ?? 'on-demand',
    repair: given.repair ?? false,
    maxAppendSize: between('maxAppendSize', given.maxAppendSize ?? 1 << 20, 1, 16 << 20),
    segmentSize: between('segmentSize', given.segmentSize ?? 256 << 20, 4096, 2 ** 31),
    streamCache: between('streamCache', given.streamCache ?? 100_000, 100, 100_000_000),
    idempotencyWindow: between('idempotencyWindow', given.idempotencyWindow ?? 500_000, 1000, 100_000_000),
    report: given.report ?? ((message) => process.stderr.write(`eventstore: ${message}\n`)),
  };
}

function between(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new Error(`${name} is ${value}; it takes a whole number from ${least} to ${most}`);
  }
  return value;
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return net.isIPv4(host) && host.startsWith('127.');
}
