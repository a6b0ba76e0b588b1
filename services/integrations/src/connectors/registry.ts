import type { Connector } from './connector.js';
import { manifestSchema } from './manifest.js';

/** A connector that is on: where its provider is reached. */
export interface ActiveConnector {
  readonly connector: Connector;
  /** Base URL without a slash at its end. */
  readonly address: string;
}

/** The connectors that are on, by the name that stands first in their references. */
export class Registry {
  readonly #active: ReadonlyMap<string, ActiveConnector>;

  /**
   * @param connectors all that this build has
   * @param addresses base URLs by the variables that the manifests name; without one a connector is off
   * @throws Error when two share a name, or a manifest is not valid
   */
  constructor(connectors: readonly Connector[], addresses: Readonly<Record<string, string | undefined>>) {
    const active = new Map<string, ActiveConnector>();
    const names = new Set<string>();
    for (const connector of connectors) {
      const { name, address: variable } = manifestSchema.parse(connector.manifest);
      if (names.has(name)) throw new Error(`two connectors are named "${name}"; rename one of them`);
      names.add(name);
      const given = addresses[variable];
      if (given === undefined) continue;
      active.set(name, { connector, address: given.replace(/\/+$/, '') });
    }
    this.#active = active;
  }

  get(name: string): ActiveConnector | undefined {
    return this.#active.get(name);
  }

  all(): readonly ActiveConnector[] {
    return [...this.#active.values()];
  }
}
