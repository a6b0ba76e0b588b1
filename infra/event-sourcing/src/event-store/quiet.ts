/** An error that comes when nobody reads any more is nobody's, and must not end the process. */
export function quiet<Stream extends { on(event: 'error', listener: () => void): unknown }>(
  stream: Stream,
): Stream {
  stream.on('error', () => {});
  return stream;
}
