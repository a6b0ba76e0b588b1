/** The connectors that are on. */
export const REGISTRY = Symbol('Registry');
