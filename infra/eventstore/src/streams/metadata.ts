/** What the metadata of a stream says about which of its events are to be seen. */
export interface StreamMetadata {
  readonly maxCount: number | undefined;
  /** Seconds. */
  readonly maxAge: number | undefined;
  readonly truncateBefore: number | undefined;
  /** `$tb` is the largest revision there is: the stream is deleted, softly. */
  readonly softDeleted: boolean;
  readonly acl: StreamAcl | undefined;
}

/** Roles and users allowed each operation; an absent entry leaves it to the default. */
export interface StreamAcl {
  readonly read: readonly string[] | undefined;
  readonly write: readonly string[] | undefined;
  readonly delete: readonly string[] | undefined;
  readonly metaRead: readonly string[] | undefined;
  readonly metaWrite: readonly string[] | undefined;
}

export const NO_METADATA: StreamMetadata = {
  maxCount: undefined,
  maxAge: undefined,
  truncateBefore: undefined,
  softDeleted: false,
  acl: undefined,
};

/** A metadata stream keeps only its newest event. */
export const METASTREAM_METADATA: StreamMetadata = { ...NO_METADATA, maxCount: 1 };

export const METADATA_TYPE = '$metadata';
export const SOFT_DELETE = Buffer.from('{"$tb":9223372036854775807}');

const DELETED = 9223372036854775807n;

export const isMetastream = (stream: string): boolean => stream.startsWith('$$');
export const metastreamOf = (stream: string): string => `$$${stream}`;
export const originalOf = (metastream: string): string => metastream.slice(2);

/** Reads the JSON of a `$metadata` event. What does not parse, or has a wrong type, counts as no metadata at all. */
export function parseMetadata(json: Buffer): StreamMetadata {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json.toString('utf8'));
  } catch {
    return NO_METADATA;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return NO_METADATA;
  const fields = new Map(Object.entries(parsed));
  const numbers: (number | undefined)[] = [];
  for (const name of ['$maxCount', '$maxAge', '$tb']) {
    const value: unknown = fields.get(name);
    if (value === undefined || value === null) {
      numbers.push(undefined);
    } else if (typeof value === 'number' && Number.isInteger(value)) {
      numbers.push(value > 0 || name === '$tb' ? value : undefined);
    } else {
      return NO_METADATA;
    }
  }
  const [maxCount, maxAge, tb] = numbers;
  const softDeleted = tb !== undefined && tb >= Number(DELETED);
  const acl: unknown = fields.get('$acl');
  return {
    maxCount,
    maxAge,
    truncateBefore: tb !== undefined && tb > 0 ? tb : undefined,
    softDeleted,
    acl: parseAcl(acl),
  };
}

export function parseAcl(value: unknown): StreamAcl | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(value));
  const roles = (name: string): readonly string[] | undefined => {
    const entry = fields.get(name);
    if (typeof entry === 'string') return [entry];
    if (Array.isArray(entry)) return entry.filter((role) => typeof role === 'string');
    return undefined;
  };
  return {
    read: roles('$r'),
    write: roles('$w'),
    delete: roles('$d'),
    metaRead: roles('$mr'),
    metaWrite: roles('$mw'),
  };
}

/** The raw metadata with `$tb` set: what the server writes when events are appended to a softly deleted stream. */
export function withTruncateBefore(json: Buffer, truncateBefore: number): Buffer {
  let fields: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(json.toString('utf8'));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) fields = { ...parsed };
  } catch {
    // Unreadable metadata is replaced.
  }
  fields.$tb = truncateBefore;
  return Buffer.from(JSON.stringify(fields));
}
