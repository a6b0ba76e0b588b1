import { ProtoReader, type U64 } from './protobuf.js';

export interface FilterRequest {
  readonly on: 'stream' | 'type' | undefined;
  readonly regex: string;
  readonly prefixes: readonly string[];
  /** Undefined: the window is the page size. Null: neither was given. */
  readonly max: number | undefined | null;
  readonly checkpointInterval: number;
}

export type ReadFrom<T> = T | 'start' | 'end';

/** A `ReadReq`, decoded. */
export interface ReadRequest {
  source: 'stream' | 'all' | undefined;
  stream: string;
  revision: ReadFrom<U64>;
  position: ReadFrom<{ commit: U64; prepare: U64 }>;
  backwards: boolean;
  resolveLinks: boolean;
  /** A number of events, or a subscription; undefined when the request says neither. */
  count: U64 | 'subscription' | undefined;
  filter: FilterRequest | 'none' | undefined;
  structuredUuid: boolean;
  compatibility: number;
}

export function decodeReadRequest(message: Buffer): ReadRequest {
  const request: ReadRequest = {
    source: undefined,
    stream: '',
    revision: 'start',
    position: 'start',
    backwards: false,
    resolveLinks: false,
    count: undefined,
    filter: undefined,
    structuredUuid: true,
    compatibility: 0,
  };
  const outer = new ProtoReader(message);
  while (outer.next()) {
    if (outer.field === 1) decodeOptions(outer.message(), request);
    else outer.skip();
  }
  return request;
}

function decodeOptions(options: ProtoReader, request: ReadRequest): void {
  while (options.next()) {
    switch (options.field) {
      case 1:
        request.source = 'stream';
        decodeStream(options.message(), request);
        break;
      case 2:
        request.source = 'all';
        decodeAll(options.message(), request);
        break;
      case 3:
        request.backwards = options.varint() === 1;
        break;
      case 4:
        request.resolveLinks = options.varint() !== 0;
        break;
      case 5:
        request.count = options.u64();
        break;
      case 6:
        request.count = 'subscription';
        options.skip();
        break;
      case 7:
        request.filter = decodeFilter(options.message());
        break;
      case 8:
        request.filter = 'none';
        options.skip();
        break;
      case 9: {
        const uuid = options.message();
        while (uuid.next()) {
          request.structuredUuid = uuid.field !== 2;
          uuid.skip();
        }
        break;
      }
      case 10: {
        const control = options.message();
        while (control.next()) {
          if (control.field === 1) request.compatibility = control.varint();
          else control.skip();
        }
        break;
      }
      default:
        options.skip();
    }
  }
}

function decodeStream(options: ProtoReader, request: ReadRequest): void {
  while (options.next()) {
    if (options.field === 1) {
      request.stream = decodeStreamIdentifier(options.message());
    } else if (options.field === 2) {
      request.revision = options.u64();
    } else {
      if (options.field === 3) request.revision = 'start';
      if (options.field === 4) request.revision = 'end';
      options.skip();
    }
  }
}

function decodeAll(options: ProtoReader, request: ReadRequest): void {
  while (options.next()) {
    if (options.field === 1) {
      request.position = decodePosition(options.message());
    } else {
      if (options.field === 2) request.position = 'start';
      if (options.field === 3) request.position = 'end';
      options.skip();
    }
  }
}

export function decodePosition(reader: ProtoReader): { commit: U64; prepare: U64 } {
  let commit: U64 = 0;
  let prepare: U64 = 0;
  while (reader.next()) {
    if (reader.field === 1) commit = reader.u64();
    else if (reader.field === 2) prepare = reader.u64();
    else reader.skip();
  }
  return { commit, prepare };
}

export function decodeStreamIdentifier(reader: ProtoReader): string {
  let name = '';
  while (reader.next()) {
    if (reader.field === 3) name = reader.string();
    else reader.skip();
  }
  return name;
}

function decodeFilter(reader: ProtoReader): FilterRequest {
  let on: FilterRequest['on'];
  let regex = '';
  let prefixes: string[] = [];
  let max: number | undefined | null = null;
  let checkpointInterval = 0;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
      case 2: {
        on = reader.field === 1 ? 'stream' : 'type';
        regex = '';
        prefixes = [];
        const expression = reader.message();
        while (expression.next()) {
          if (expression.field === 1) regex = expression.string();
          else if (expression.field === 2) prefixes.push(expression.string());
          else expression.skip();
        }
        break;
      }
      case 3:
        max = reader.varint();
        break;
      case 4:
        max = undefined;
        reader.skip();
        break;
      case 5:
        checkpointInterval = reader.varint();
        break;
      default:
        reader.skip();
    }
  }
  return { on, regex, prefixes, max, checkpointInterval };
}
