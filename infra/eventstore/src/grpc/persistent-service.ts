import pb from '@eventstore/db-client/generated/persistent_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import type { Metadata, ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { Consumer } from '../persistent/consumers.js';
import type { Group, GroupInfo, NackAction } from '../persistent/group.js';
import {
  GroupExists,
  GroupMissing,
  GroupRefused,
  type PersistentSubscriptions,
  startOf,
  strategyOf,
} from '../persistent/groups.js';
import { keyOf } from '../persistent/message.js';
import { ALL, type GroupDefinition, type GroupSettings, startText } from '../persistent/settings.js';
import { EventFilter } from '../streams/event-filter.js';
import type { AppendResult } from '../streams/event-store.js';
import { isSystemStreamName, type SystemStreams } from '../streams/system-streams.js';
import { decodeUuid } from '../wire/append-request.js';
import { ProtoReader, ProtoWriter } from '../wire/protobuf.js';
import { decodeStreamIdentifier, type FilterRequest } from '../wire/read-request.js';
import { encodeReadEvent } from '../wire/recorded-event.js';
import type { Access, Caller } from './access.js';
import * as errors from './errors.js';
import { RpcError } from './errors.js';
import { Outgoing } from './outgoing.js';
import { unaryFor } from './unary.js';

export interface PersistentServiceOptions {
  readonly groups: PersistentSubscriptions;
  readonly access: Access;
  readonly systemStreams: SystemStreams;
}

const failure = (
  code: status,
  text: string,
  exception: string,
  stream: string,
  group: string,
  reason?: string,
): RpcError =>
  new RpcError(code, text, {
    exception,
    'stream-name': stream,
    'group-name': group,
    ...(reason === undefined ? {} : { reason }),
  });

const doesNotExist = (stream: string, group: string): RpcError =>
  failure(
    status.NOT_FOUND,
    `Subscription group ${group} on stream ${stream} does not exist.`,
    'persistent-subscription-does-not-exist',
    stream,
    group,
  );

const exists = (stream: string, group: string): RpcError =>
  failure(
    status.ALREADY_EXISTS,
    `Subscription group ${group} on stream ${stream} exists.`,
    'persistent-subscription-exists',
    stream,
    group,
  );

const refused = (stream: string, group: string, reason: string): RpcError =>
  failure(
    status.INTERNAL,
    `Subscription group ${group} on stream ${stream} failed: '${reason}'`,
    'persistent-subscription-failed',
    stream,
    group,
    reason,
  );

const dropped = (stream: string, group: string): RpcError =>
  failure(
    status.CANCELLED,
    `Subscription group ${group} on stream ${stream} was dropped.`,
    'persistent-subscription-dropped',
    stream,
    group,
  );

const full = (stream: string, group: string): RpcError =>
  failure(
    status.FAILED_PRECONDITION,
    `Maximum subscriptions reached for subscription group ${group} on stream ${stream}.`,
    'maximum-subscribers-reached',
    stream,
    group,
  );

/** The service `event_store.client.persistent_subscriptions.PersistentSubscriptions`; `read` is on bytes. */
export function persistentService({
  groups,
  access,
  systemStreams,
}: PersistentServiceOptions): UntypedServiceImplementation {
  const unary = unaryFor(access);
  const mayManage = (caller: Caller): void => {
    if (!access.isOperator(caller)) throw errors.accessDenied();
  };

  return {
    create: unary(async (request: pb.CreateReq, caller) => {
      mayManage(caller);
      const definition = definitionOf(request.getOptions());
      if (isSystemStreamName(definition.stream)) await systemStreams.demand();
      await change(definition, (checked) => groups.create(checked));
      return new pb.CreateResp();
    }),
    update: unary(async (request: pb.UpdateReq, caller) => {
      mayManage(caller);
      await change(definitionOf(request.getOptions()), (definition) => groups.update(definition));
      return new pb.UpdateResp();
    }),
    delete: unary(async (request: pb.DeleteReq, caller) => {
      mayManage(caller);
      const options = required(request.getOptions());
      const stream = sourceOf(options);
      const group = options.getGroupName();
      try {
        succeeded(await groups.delete(stream, group));
      } catch (error) {
        throw error instanceof GroupMissing ? doesNotExist(stream, group) : error;
      }
      return new pb.DeleteResp();
    }),
    getInfo: unary((request: pb.GetInfoReq, caller) => {
      if (!access.isKnown(caller)) throw errors.accessDenied();
      const options = required(request.getOptions());
      const group = found(groups, sourceOf(options), options.getGroupName());
      return new pb.GetInfoResp().setSubscriptionInfo(toInfo(group.info()));
    }),
    list: unary((request: pb.ListReq, caller) => {
      if (!access.isKnown(caller)) throw errors.accessDenied();
      const options = required(request.getOptions());
      const one = options.getListForStream();
      let stream: string | undefined;
      if (one !== undefined) stream = one.hasAll() ? ALL : nameOf(one.getStream());
      const listed = groups.list(stream);
      if (stream !== undefined && listed.length === 0) throw doesNotExist(stream, '');
      return new pb.ListResp().setSubscriptionsList(listed.map((group) => toInfo(group.info())));
    }),
    replayParked: unary((request: pb.ReplayParkedReq, caller) => {
      mayManage(caller);
      const options = required(request.getOptions());
      const stream = sourceOf(options);
      const stopAt = options.hasStopAt() ? Number(options.getStopAt()) : undefined;
      if (stopAt !== undefined && stopAt < 0) {
        throw refused(
          stream,
          options.getGroupName(),
          'Cannot stop replaying parked message at a negative version.',
        );
      }
      found(groups, stream, options.getGroupName()).replayParked(stopAt);
      return new pb.ReplayParkedResp();
    }),
    restartSubsystem: unary((_request: shared.Empty, caller) => {
      mayManage(caller);
      groups.restart();
      return new shared.Empty();
    }),
    read: (call: ServerDuplexStream<Buffer, Buffer>) => {
      void read(groups, access, call);
    },
  };
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw errors.handlerThrew();
  return value;
}

function found(groups: PersistentSubscriptions, stream: string, name: string): Group {
  const group = groups.find(stream, name);
  if (group === undefined) throw doesNotExist(stream, name);
  return group;
}

function succeeded(result: AppendResult): void {
  if (result.kind === 'failed') throw errors.storageUnavailable(result.reason);
}

async function change(
  definition: GroupDefinition,
  apply: (definition: GroupDefinition) => Promise<AppendResult>,
): Promise<void> {
  const { stream, group } = definition;
  try {
    if (definition.filter !== undefined && definition.filter.regex !== '') {
      EventFilter.regex(definition.filter.on ?? 'stream', definition.filter.regex);
    }
    succeeded(await apply(definition));
  } catch (error) {
    if (error instanceof GroupExists) throw exists(stream, group);
    if (error instanceof GroupMissing) throw doesNotExist(stream, group);
    if (error instanceof GroupRefused) throw refused(stream, group, error.message);
    throw error;
  }
}

function nameOf(identifier: shared.StreamIdentifier | undefined): string {
  return identifier === undefined ? '' : Buffer.from(identifier.getStreamName_asU8()).toString('utf8');
}

function sourceOf(options: {
  hasAll(): boolean;
  getStreamIdentifier(): shared.StreamIdentifier | undefined;
}): string {
  return options.hasAll() ? ALL : nameOf(options.getStreamIdentifier());
}

const U63 = 2 ** 63;

function definitionOf(options: pb.CreateReq.Options | pb.UpdateReq.Options | undefined): GroupDefinition {
  const { stream, start, filter } = sourceAndStart(required(options));
  const settings = required(options?.getSettings());
  const group = required(options).getGroupName();
  if (stream === '') throw refused(stream, group, 'Bad stream name.');
  const ms = settings.hasMessageTimeoutMs()
    ? settings.getMessageTimeoutMs()
    : ticks(settings.getMessageTimeoutTicks());
  const after = settings.hasCheckpointAfterMs()
    ? settings.getCheckpointAfterMs()
    : ticks(settings.getCheckpointAfterTicks());
  const old = settings.getNamedConsumerStrategy();
  const named = 'getConsumerStrategy' in settings ? settings.getConsumerStrategy() : '';
  const name = named === '' ? (OLD_STRATEGIES[old] ?? String(old)) : named;
  const strategy = strategyOf(name);
  if (strategy === undefined) throw refused(stream, group, `Consumer strategy ${name} does not exist.`);
  const chosen: GroupSettings = {
    resolveLinkTos: settings.getResolveLinks(),
    extraStatistics: settings.getExtraStatistics(),
    messageTimeout: ms,
    maxRetryCount: settings.getMaxRetryCount(),
    minCheckPointCount: settings.getMinCheckpointCount(),
    maxCheckPointCount: settings.getMaxCheckpointCount(),
    checkPointAfter: after,
    maxSubscriberCount: settings.getMaxSubscriberCount(),
    liveBufferSize: settings.getLiveBufferSize(),
    readBatchSize: settings.getReadBatchSize(),
    historyBufferSize: settings.getHistoryBufferSize(),
    namedConsumerStrategy: strategy,
    startFrom: startOf(start),
  };
  return { stream, group, filter, settings: chosen };
}

const OLD_STRATEGIES = ['DispatchToSingle', 'RoundRobin', 'Pinned'];

function ticks(count: string): number {
  return Math.floor(Number(count) / 10_000);
}

function sourceAndStart(options: pb.CreateReq.Options | pb.UpdateReq.Options): {
  stream: string;
  start: number;
  filter: FilterRequest | undefined;
} {
  const all = options.getAll();
  if (all !== undefined) {
    const position = all.getPosition();
    let start = all.hasEnd() ? -1 : 0;
    if (position !== undefined) {
      const commit = Number(position.getCommitPosition());
      if (Number(position.getPreparePosition()) > commit) {
        throw refused(
          ALL,
          options.getGroupName(),
          'Invalid Start From position: prepare position must be less than or equal to the commit position.',
        );
      }
      start = commit >= U63 ? -1 : commit;
    }
    return { stream: ALL, start, filter: 'getFilter' in all ? filterOf(all.getFilter()) : undefined };
  }
  const one = options.getStream();
  if (one === undefined) {
    // Clients from before there were subscriptions to $all.
    const revision = Number(required(options.getSettings()).getRevision());
    return {
      stream: nameOf(options.getStreamIdentifier()),
      start: revision >= U63 ? -1 : revision,
      filter: undefined,
    };
  }
  const revision = one.hasRevision() ? Number(one.getRevision()) : one.hasEnd() ? -1 : 0;
  return {
    stream: nameOf(one.getStreamIdentifier()),
    start: revision >= U63 ? -1 : revision,
    filter: undefined,
  };
}

function filterOf(filter: pb.CreateReq.AllOptions.FilterOptions | undefined): FilterRequest | undefined {
  if (filter === undefined) return undefined;
  const expression = filter.getEventType() ?? filter.getStreamIdentifier();
  if (expression === undefined) throw errors.handlerThrew();
  return {
    on: filter.hasEventType() ? 'type' : 'stream',
    regex: expression.getRegex(),
    prefixes: expression.getPrefixList(),
    max: undefined,
    checkpointInterval: 1,
  };
}

function toInfo(info: GroupInfo): pb.SubscriptionInfo {
  const { stream, group, settings } = info.definition;
  return new pb.SubscriptionInfo()
    .setEventSource(stream)
    .setGroupName(group)
    .setStatus(info.status)
    .setConnectionsList(
      info.connections.map(({ consumer, sinceLast, perSecond }) =>
        new pb.SubscriptionInfo.ConnectionInfo()
          .setFrom(consumer.from)
          .setUsername(consumer.user)
          .setAverageItemsPerSecond(perSecond)
          .setTotalItems(String(consumer.total))
          .setCountSinceLastMeasurement(String(sinceLast))
          .setObservedMeasurementsList(
            (consumer.statistics?.measurements() ?? []).map(([name, value]) =>
              new pb.SubscriptionInfo.Measurement().setKey(name).setValue(String(value)),
            ),
          )
          .setAvailableSlots(consumer.slots)
          .setInFlightMessages(consumer.inFlight.size)
          .setConnectionName(consumer.connectionName),
      ),
    )
    .setAveragePerSecond(info.perSecond)
    .setTotalItems(String(info.total))
    .setCountSinceLastMeasurement(String(info.sinceLast))
    .setLastCheckpointedEventPosition(info.lastCheckpointed)
    .setLastKnownEventPosition(info.lastKnown)
    .setResolveLinkTos(settings.resolveLinkTos)
    .setStartFrom(startText(stream, settings.startFrom))
    .setMessageTimeoutMilliseconds(settings.messageTimeout)
    .setExtraStatistics(settings.extraStatistics)
    .setMaxRetryCount(settings.maxRetryCount)
    .setLiveBufferSize(settings.liveBufferSize)
    .setBufferSize(settings.historyBufferSize)
    .setReadBatchSize(settings.readBatchSize)
    .setCheckPointAfterMilliseconds(settings.checkPointAfter)
    .setMinCheckPointCount(settings.minCheckPointCount)
    .setMaxCheckPointCount(settings.maxCheckPointCount)
    .setReadBufferCount(info.readBuffer)
    .setLiveBufferCount('0')
    .setRetryBufferCount(info.retryBuffer)
    .setTotalInFlightMessages(info.inFlight)
    .setOutstandingMessagesCount(info.outstanding)
    .setNamedConsumerStrategy(settings.namedConsumerStrategy)
    .setMaxSubscriberCount(settings.maxSubscriberCount)
    .setParkedMessageCount(String(info.parked));
}

// ---- the subscription call, on bytes

interface ReadOptions {
  stream: string;
  group: string;
  bufferSize: number;
  structuredUuid: boolean;
}

async function read(
  groups: PersistentSubscriptions,
  access: Access,
  call: ServerDuplexStream<Buffer, Buffer>,
): Promise<void> {
  // Acknowledgements come one by one and each lets one event go: those that came together are answered together.
  const out = new Outgoing(call, setImmediate);
  let consumer: Consumer | undefined;
  let group: Group | undefined;
  call.pause();
  let caller: Caller;
  try {
    caller = await access.caller(call.metadata);
  } catch (error) {
    out.fail(error);
    return;
  }
  out.whenEnded(() => {
    if (consumer !== undefined) group?.disconnect(consumer);
  });
  call.on('data', (message: Buffer) => {
    try {
      if (consumer === undefined || group === undefined) {
        const options = readOptions(message);
        if (!access.mayStream(caller, 'read', options.stream)) throw errors.accessDenied();
        group = found(groups, options.stream, options.group);
        if (group.isFull) throw full(options.stream, options.group);
        consumer = join(group, options, out, caller, call.metadata, call.getPeer());
      } else {
        answer(group, message);
      }
    } catch (error) {
      out.fail(error);
    }
  });
  call.on('end', () => {
    if (consumer === undefined) out.finish();
  });
  call.resume();
}

function join(
  group: Group,
  options: ReadOptions,
  out: Outgoing,
  caller: Caller,
  metadata: Metadata,
  peer: string,
): Consumer {
  const { stream, group: name } = options;
  out.send(new ProtoWriter().message(2, new ProtoWriter().string(1, `${stream}::${name}`)).finish());
  const connection = metadata.get('connection-name')[0];
  const sink = {
    deliver: (message: Parameters<Consumer['sink']['deliver']>[0]) => {
      out.send(encodeReadEvent(message, options, message.retries));
      if (!out.room) void out.drained().then(() => group.push());
    },
    dropped: () => out.fail(dropped(stream, name)),
    failed: (error: unknown) => out.fail(error),
    get room() {
      return out.room;
    },
  };
  const label = connection === undefined ? '<unknown>' : connection.toString();
  return group.connect(sink, options.bufferSize, caller.name, label, peer);
}

function readOptions(message: Buffer): ReadOptions {
  const outer = new ProtoReader(message);
  const options: ReadOptions = { stream: '', group: '', bufferSize: 0, structuredUuid: true };
  let isOptions = false;
  while (outer.next()) {
    if (outer.field !== 1) {
      outer.skip();
      continue;
    }
    isOptions = true;
    const inner = outer.message();
    while (inner.next()) {
      if (inner.field === 1) options.stream = decodeStreamIdentifier(inner.message());
      else if (inner.field === 2) options.group = inner.string();
      else if (inner.field === 3) options.bufferSize = inner.varint();
      else if (inner.field === 4) {
        const uuid = inner.message();
        while (uuid.next()) {
          options.structuredUuid = uuid.field !== 2;
          uuid.skip();
        }
      } else {
        if (inner.field === 5) options.stream = ALL;
        inner.skip();
      }
    }
  }
  if (!isOptions) throw errors.handlerThrew();
  return options;
}

const ACTIONS: readonly NackAction[] = ['retry', 'park', 'retry', 'skip', 'stop'];

function answer(group: Group, message: Buffer): void {
  const outer = new ProtoReader(message);
  while (outer.next()) {
    if (outer.field !== 2 && outer.field !== 3) {
      outer.skip();
      continue;
    }
    const isAck = outer.field === 2;
    const inner = outer.message();
    const ids: string[] = [];
    let action: NackAction = 'retry';
    let reason = '';
    while (inner.next()) {
      if (inner.field === 2) {
        const id = decodeUuid(inner.message());
        if (id !== undefined) ids.push(keyOf(id));
      } else if (inner.field === 3) action = ACTIONS[inner.varint()] ?? 'retry';
      else if (inner.field === 4) reason = inner.string();
      else inner.skip();
    }
    if (isAck) group.ack(ids);
    else group.nack(ids, action, reason);
  }
}
