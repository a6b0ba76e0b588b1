import * as fs from 'node:fs';
import * as os from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { SERVER_VERSION } from '../grpc/server-features.js';
import type { PersistentSubscriptions } from '../persistent/groups.js';
import type { EventStore } from '../streams/event-store.js';
import type { SubscriptionHub } from '../streams/subscriptions.js';
import type { Scavenges } from './scavenges.js';

export interface Gauge {
  /** Dashes separate the levels, as in EventStoreDB's statistics. */
  readonly name: string;
  readonly metric: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly value: number;
}

export interface StatisticsSources {
  readonly store: EventStore;
  readonly hub: SubscriptionHub;
  readonly groups: PersistentSubscriptions;
  readonly scavenges: Scavenges;
  readonly directory: string;
  readonly connections: () => number;
}

/** What the server tells of itself, over gRPC, `/stats` and `/metrics`. */
export class Statistics {
  private readonly delay = monitorEventLoopDelay({ resolution: 20 });
  private readonly startedAt = Date.now();
  appendedEvents = 0;
  syncs = 0;

  constructor(private readonly sources: StatisticsSources) {
    this.delay.enable();
  }

  close(): void {
    this.delay.disable();
  }

  gauges(): Gauge[] {
    const { store, hub, groups, scavenges, directory, connections } = this.sources;
    const memory = process.memoryUsage();
    const cpu = process.cpuUsage();
    const disk = fs.statfsSync(directory);
    const gauge = (name: string, metric: string, help: string, value: number): Gauge => ({
      name,
      metric,
      type: 'gauge',
      help,
      value,
    });
    const counter = (name: string, metric: string, help: string, value: number): Gauge => ({
      name,
      metric,
      type: 'counter',
      help,
      value,
    });
    return [
      gauge('proc-id', 'process_id', 'Process id', process.pid),
      gauge('proc-mem', 'process_resident_memory_bytes', 'Resident memory', memory.rss),
      gauge('proc-heap', 'process_heap_bytes', 'Used heap', memory.heapUsed),
      counter('proc-cpu', 'process_cpu_seconds_total', 'CPU time used', (cpu.user + cpu.system) / 1e6),
      gauge(
        'proc-uptime',
        'process_uptime_seconds',
        'Time since the start',
        (Date.now() - this.startedAt) / 1000,
      ),
      gauge(
        'proc-eventLoop-p99Ms',
        'event_loop_delay_p99_seconds',
        'Delay of the event loop, 99th percentile',
        this.delay.percentile(99) / 1e9,
      ),
      gauge('sys-freeMem', 'system_free_memory_bytes', 'Free memory of the machine', os.freemem()),
      gauge('sys-loadavg-1m', 'system_load_1m', 'Load of the machine', os.loadavg()[0] ?? 0),
      gauge(
        'sys-drive-availableBytes',
        'data_available_bytes',
        'Room on the data drive',
        disk.bavail * disk.bsize,
      ),
      gauge('sys-drive-totalBytes', 'data_total_bytes', 'Size of the data drive', disk.blocks * disk.bsize),
      counter(
        'es-writer-lastFlushedPosition',
        'log_position',
        'Position after the last durable record',
        store.log.committed,
      ),
      counter(
        'es-writer-appendedEvents',
        'events_appended_total',
        'Events written since the start',
        this.appendedEvents,
      ),
      counter('es-writer-flushes', 'log_syncs_total', 'Groups of appends synced since the start', this.syncs),
      gauge(
        'es-writer-broken',
        'log_unwritable',
        '1 while appends are refused',
        store.log.failure === undefined ? 0 : 1,
      ),
      gauge('es-log-segments', 'log_segments', 'Segment files', store.log.segments.length),
      gauge('es-queue-subscriptions', 'subscriptions', 'Catch-up subscriptions', hub.count),
      gauge(
        'es-persistentSubscriptions',
        'persistent_subscription_groups',
        'Persistent subscriptions',
        groups.count,
      ),
      gauge('es-connections', 'connections', 'Open connections', connections()),
      counter('es-scavenge-completed', 'scavenges_total', 'Scavenges that ended', scavenges.completed),
      counter(
        'es-scavenge-bytesSaved',
        'scavenged_bytes_total',
        'Bytes that scavenges removed',
        scavenges.bytesSaved,
      ),
    ];
  }

  /** `proc-id` and so on, for the Monitoring service. */
  flat(): Map<string, string> {
    return new Map(this.gauges().map(({ name, value }) => [name, String(value)]));
  }

  /** Nested by the dashes, for `/stats`. */
  nested(): object {
    const root: Record<string, unknown> = {};
    for (const { name, value } of this.gauges()) {
      const path = name.split('-');
      const last = path.pop() ?? name;
      let at = root;
      for (const step of path) {
        const next = at[step];
        if (isRecord(next)) at = next;
        else {
          const made: Record<string, unknown> = {};
          at[step] = made;
          at = made;
        }
      }
      at[last] = value;
    }
    return root;
  }

  /** The Prometheus text format, version 0.0.4. */
  prometheus(): string {
    const lines = [
      '# HELP eventstore_info The version whose behaviour the server has.',
      '# TYPE eventstore_info gauge',
      `eventstore_info{version="${SERVER_VERSION}"} 1`,
    ];
    for (const { metric, type, help, value } of this.gauges()) {
      lines.push(
        `# HELP eventstore_${metric} ${help}.`,
        `# TYPE eventstore_${metric} ${type}`,
        `eventstore_${metric} ${value}`,
      );
    }
    const groups = this.sources.groups.list();
    if (groups.length > 0) {
      lines.push(
        '# HELP eventstore_persistent_sub_parked_messages Messages that are parked.',
        '# TYPE eventstore_persistent_sub_parked_messages gauge',
      );
      for (const group of groups) {
        const { stream, group: name } = group.definition;
        lines.push(
          `eventstore_persistent_sub_parked_messages{event_stream_id="${escapeLabel(stream)}",group_name="${escapeLabel(name)}"} ${group.parkedCount}`,
        );
      }
    }
    return `${lines.join('\n')}\n`;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const escapeLabel = (label: string): string =>
  label.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
