import type { RecordView } from '../storage/record.js';
import { RecordReader } from '../storage/record-reader.js';
import { EventFilter } from '../streams/event-filter.js';
import type { AppendResult, EventStore } from '../streams/event-store.js';
import { METADATA_TYPE, metastreamOf } from '../streams/metadata.js';
import { newEvent } from '../streams/new-event.js';
import type { FilterRequest } from '../wire/read-request.js';
import { type Checkpoints, Group } from './group.js';
import { ParkedMessages } from './parked-messages.js';
import {
  ALL,
  type ConsumerStrategyName,
  type GroupDefinition,
  type GroupStart,
  parsePlace,
  placeText,
  STRATEGIES,
  startText,
} from './settings.js';

const CONFIG_STREAM = '$persistentSubscriptionConfig';
const CONFIG_TYPE = '$PersistentConfig';
const CHECKPOINT_TYPE = 'SubscriptionCheckpoint';
const TICK_MS = 250;

export class GroupExists extends Error {}
export class GroupMissing extends Error {}
/** The definition is refused; the message is EventStoreDB's. */
export class GroupRefused extends Error {}

/** All persistent subscriptions of a store. Their definitions are an event of the store, as in EventStoreDB. */
export class PersistentSubscriptions {
  private readonly groups = new Map<string, Group>();
  private readonly byStream = new Map<string, Group[]>();
  private touched = new Set<Group>();
  private readonly timer: NodeJS.Timeout;
  private readonly reader: RecordReader;

  constructor(
    private readonly store: EventStore,
    private readonly report: (message: string) => void,
  ) {
    this.reader = new RecordReader(store.log);
    this.load();
    this.timer = setInterval(() => {
      const now = Date.now();
      for (const group of this.groups.values()) group.tick(now);
    }, TICK_MS);
    this.timer.unref();
  }

  get count(): number {
    return this.groups.size;
  }

  /** Told of each record that became durable; `flush` follows when all of a batch were told. */
  publish(record: RecordView): void {
    if (this.groups.size === 0 || record.isEmpty) return;
    for (const name of [record.stream, ALL]) {
      for (const group of this.byStream.get(name) ?? []) {
        group.live(record);
        this.touched.add(group);
      }
    }
  }

  flush(): void {
    if (this.touched.size === 0) return;
    const touched = this.touched;
    this.touched = new Set();
    for (const group of touched) group.push();
  }

  find(stream: string, group: string): Group | undefined {
    return this.groups.get(key(stream, group));
  }

  list(stream?: string): Group[] {
    return stream === undefined ? [...this.groups.values()] : (this.byStream.get(stream) ?? []);
  }

  /** @throws GroupExists, GroupRefused */
  create(definition: GroupDefinition): Promise<AppendResult> {
    this.validate(definition);
    if (this.find(definition.stream, definition.group) !== undefined) throw new GroupExists();
    this.add(definition);
    return this.save();
  }

  /** @throws GroupMissing, GroupRefused */
  update(definition: GroupDefinition): Promise<AppendResult> {
    const old = this.find(definition.stream, definition.group);
    if (old === undefined) throw new GroupMissing();
    this.validate(definition);
    this.remove(old);
    this.add({ ...definition, filter: old.definition.filter });
    return this.save();
  }

  /** @throws GroupMissing */
  async delete(stream: string, name: string): Promise<AppendResult> {
    const group = this.find(stream, name);
    if (group === undefined) throw new GroupMissing();
    this.remove(group);
    const streams = [
      checkpointStream(stream, name),
      new ParkedMessages(this.store, key(stream, name), this.report).stream,
    ];
    for (const own of streams) {
      if (this.store.lastRevision(own) >= 0) this.store.delete(own, 'any', false, () => {});
    }
    return this.save();
  }

  /** Starts every group anew from what is stored. */
  restart(): void {
    for (const group of [...this.groups.values()]) this.remove(group);
    this.load();
  }

  close(): void {
    clearInterval(this.timer);
    for (const group of [...this.groups.values()]) this.remove(group);
  }

  private validate({ settings, stream }: GroupDefinition): void {
    if (settings.readBatchSize >= settings.historyBufferSize) {
      throw new GroupRefused(
        "Specified argument was out of the range of valid values. (Parameter 'ReadBatchSize may not be greater than or equal to BufferSize')",
      );
    }
    if (
      stream === ALL &&
      settings.startFrom.kind === 'at' &&
      settings.startFrom.value > this.store.log.committed
    ) {
      throw new GroupRefused(
        'Invalid Start From position: commit position must be less than or equal to the last commit position in the transaction file.',
      );
    }
  }

  private add(definition: GroupDefinition): void {
    const { stream, group: name, filter } = definition;
    const group = new Group(
      definition,
      this.store,
      filter === undefined ? undefined : compile(filter),
      this.checkpoints(stream, name),
      new ParkedMessages(this.store, key(stream, name), this.report),
    );
    this.groups.set(key(stream, name), group);
    this.byStream.set(stream, [...(this.byStream.get(stream) ?? []), group]);
  }

  private remove(group: Group): void {
    const { stream, group: name } = group.definition;
    this.groups.delete(key(stream, name));
    const others = (this.byStream.get(stream) ?? []).filter((other) => other !== group);
    if (others.length > 0) this.byStream.set(stream, others);
    else this.byStream.delete(stream);
    group.close();
  }

  private checkpoints(stream: string, name: string): Checkpoints {
    const target = checkpointStream(stream, name);
    return {
      load: () => {
        const slice = this.store.readBackwards(target, 'end', 1, this.reader);
        const record = slice.records[0];
        if (record === undefined || record.type !== CHECKPOINT_TYPE) return undefined;
        const text: unknown = JSON.parse(record.data.toString('utf8'));
        return typeof text === 'string' ? parsePlace(text) : undefined;
      },
      save: (place) => {
        const event = newEvent(CHECKPOINT_TYPE, true, Buffer.from(JSON.stringify(placeText(stream, place))));
        if (this.store.lastRevision(metastreamOf(target)) < 0) {
          this.store.append(
            metastreamOf(target),
            'any',
            [newEvent(METADATA_TYPE, true, CHECKPOINT_METADATA)],
            () => {},
          );
        }
        this.store.append(target, 'any', [event], (result) => {
          if (result.kind !== 'appended')
            this.report(`a checkpoint could not be written to ${target}: ${result.kind}`);
        });
      },
    };
  }

  // ---- the stored configuration

  private load(): void {
    const slice = this.store.readBackwards(CONFIG_STREAM, 'end', 1, this.reader);
    const record = slice.records[0];
    if (record === undefined) return;
    const config: unknown = JSON.parse(record.data.toString('utf8'));
    if (
      typeof config !== 'object' ||
      config === null ||
      !('entries' in config) ||
      !Array.isArray(config.entries)
    )
      return;
    for (const entry of config.entries) {
      const definition = fromEntry(entry);
      if (definition === undefined)
        this.report(`a persistent subscription in ${CONFIG_STREAM} cannot be read; it is left out`);
      else this.add(definition);
    }
  }

  private save(): Promise<AppendResult> {
    const config = {
      version: '2',
      updated: new Date().toISOString(),
      updatedBy: 'system',
      entries: [...this.groups.values()].map((group) => toEntry(group.definition)),
    };
    if (this.store.lastRevision(metastreamOf(CONFIG_STREAM)) < 0) {
      const metadata = newEvent(METADATA_TYPE, true, Buffer.from('{"$maxCount":2}'));
      this.store.append(metastreamOf(CONFIG_STREAM), 'any', [metadata], () => {});
    }
    const event = newEvent(CONFIG_TYPE, true, Buffer.from(JSON.stringify(config)));
    return new Promise((resolve) => this.store.append(CONFIG_STREAM, 'any', [event], resolve));
  }
}

const CHECKPOINT_METADATA = Buffer.from(
  JSON.stringify({
    $maxCount: 2,
    $acl: { $r: '$admins', $w: '$admins', $d: '$admins', $mr: '$all', $mw: '$admins' },
  }),
);

const key = (stream: string, group: string): string => `${stream}::${group}`;
const checkpointStream = (stream: string, group: string): string =>
  `$persistentsubscription-${key(stream, group)}-checkpoint`;

function compile(filter: FilterRequest): EventFilter {
  const on = filter.on ?? 'stream';
  return filter.regex === ''
    ? EventFilter.prefixes(on, filter.prefixes)
    : EventFilter.regex(on, filter.regex);
}

function toEntry({ stream, group, filter, settings }: GroupDefinition): Record<string, unknown> {
  const { startFrom, ...rest } = settings;
  return {
    stream,
    group,
    ...(filter === undefined ? {} : { filter: filterEntry(filter) }),
    ...rest,
    startFrom: stream === ALL ? 0 : startFrom.kind === 'end' ? -1 : startFrom.value,
    startPosition: startText(stream, startFrom),
  };
}

function filterEntry(filter: FilterRequest): Record<string, unknown> {
  return {
    context: filter.on === 'type' ? 'eventtype' : 'streamid',
    type: filter.regex === '' ? 'prefix' : 'regex',
    data: filter.regex === '' ? filter.prefixes.join(',') : filter.regex,
    prefixes: filter.prefixes,
  };
}

function fromEntry(value: unknown): GroupDefinition | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entry = new Map<string, unknown>(Object.entries(value));
  const text = (name: string): string | undefined => {
    const field = entry.get(name);
    return typeof field === 'string' ? field : undefined;
  };
  const number = (name: string): number => {
    const field = entry.get(name);
    return typeof field === 'number' ? field : 0;
  };
  const stream = text('stream');
  const strategy = STRATEGIES.find((name) => name === text('namedConsumerStrategy'));
  const start = parsePlace(text('startPosition') ?? '');
  if (stream === undefined || strategy === undefined || start === undefined) return undefined;
  return {
    stream,
    group: text('group') ?? '',
    filter: filterFrom(entry.get('filter')),
    settings: {
      resolveLinkTos: entry.get('resolveLinkTos') === true,
      extraStatistics: entry.get('extraStatistics') === true,
      messageTimeout: number('messageTimeout'),
      maxRetryCount: number('maxRetryCount'),
      minCheckPointCount: number('minCheckPointCount'),
      maxCheckPointCount: number('maxCheckPointCount'),
      checkPointAfter: number('checkPointAfter'),
      maxSubscriberCount: number('maxSubscriberCount'),
      liveBufferSize: number('liveBufferSize'),
      readBatchSize: number('readBatchSize'),
      historyBufferSize: number('historyBufferSize'),
      namedConsumerStrategy: strategy,
      startFrom: startOf(start),
    },
  };
}

function filterFrom(value: unknown): FilterRequest | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entry = new Map<string, unknown>(Object.entries(value));
  const data = entry.get('data');
  const prefixes = entry.get('prefixes');
  return {
    on: entry.get('context') === 'eventtype' ? 'type' : 'stream',
    regex: entry.get('type') === 'regex' && typeof data === 'string' ? data : '',
    prefixes: Array.isArray(prefixes) ? prefixes.filter((prefix) => typeof prefix === 'string') : [],
    max: undefined,
    checkpointInterval: 1,
  };
}

export function startOf(value: number): GroupStart {
  return value < 0 ? { kind: 'end' } : { kind: 'at', value };
}

export function strategyOf(name: string): ConsumerStrategyName | undefined {
  return STRATEGIES.find((known) => known === name);
}
