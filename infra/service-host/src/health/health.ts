import { within } from '@oo/event-sourcing';

/** What a check found; `detail` says more, for instance a lag or what is missing. Values are JSON. */
export interface CheckResult {
  readonly ok: boolean;
  readonly detail?: Readonly<Record<string, string | number | boolean>>;
}
type Check = () => CheckResult | Promise<CheckResult>;

export interface HealthReport {
  readonly name: string;
  readonly version: string;
  readonly status: 'ok' | 'unavailable';
  readonly checks: Readonly<Record<string, CheckResult>>;
}

const CHECK_TIMEOUT_MS = 2_000;

/**
 * The health of a process. Live: it runs and turns its event loop; if not, restart it. Ready: every check is well; if
 * not, send it nothing, and a restart would not help.
 */
export class Health {
  readonly #checks = new Map<string, Check>();

  constructor(
    readonly name: string,
    readonly version: string,
  ) {}

  /** Adds a check to what has to be well for the process to be ready. */
  add(name: string, check: Check): void {
    this.#checks.set(name, check);
  }

  live(): HealthReport {
    return { name: this.name, version: this.version, status: 'ok', checks: {} };
  }

  async ready(): Promise<HealthReport> {
    const found = await Promise.all(
      [...this.#checks].map(async ([name, check]) => [name, await inTime(check)] as const),
    );
    const status = found.every(([, { ok }]) => ok) ? 'ok' : 'unavailable';
    return { name: this.name, version: this.version, status, checks: Object.fromEntries(found) };
  }
}

async function inTime(check: Check): Promise<CheckResult> {
  try {
    return await within(CHECK_TIMEOUT_MS, Promise.resolve().then(check), () => ({
      ok: false,
      detail: { reason: `no answer within ${CHECK_TIMEOUT_MS} ms` },
    }));
  } catch (error) {
    return { ok: false, detail: { reason: error instanceof Error ? error.message : String(error) } };
  }
}
