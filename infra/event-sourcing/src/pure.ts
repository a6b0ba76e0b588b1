// What domain files may import of the kit: types and plain functions. Nothing of it reaches a framework, a server or a
// clock, so a domain file cannot either.

export type { CommandContext, SharedCommandContext } from './command-handling/command-handling.js';
export * from './command-handling/future.js';
export * from './decider/decider.js';
export * from './projections/changes.js';
export * from './projections/present.js';
export * from './projections/projection.js';
export * from './projections/skips.js';
export * from './projections/tables.js';
