import { streamIdentifier } from './append-response.js';
import { ProtoWriter } from './protobuf.js';

/** `ReadResp` messages other than events. */
export const confirmation = (id: string): Buffer =>
  new ProtoWriter().message(2, new ProtoWriter().string(1, id)).finish();

export const checkpoint = (position: number): Buffer =>
  new ProtoWriter().message(3, new ProtoWriter().varint(1, position).varint(2, position)).finish();

export const streamNotFound = (stream: string): Buffer =>
  new ProtoWriter().message(4, new ProtoWriter().bytes(1, streamIdentifier(stream))).finish();

export const firstStreamPosition = (revision: number): Buffer =>
  new ProtoWriter().varint(5, revision).finish();
export const lastStreamPosition = (revision: number): Buffer =>
  new ProtoWriter().varint(6, revision).finish();
export const caughtUp = (): Buffer => new ProtoWriter().empty(8).finish();
export const fellBehind = (): Buffer => new ProtoWriter().empty(9).finish();
