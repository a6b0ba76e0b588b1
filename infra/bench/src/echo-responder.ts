// The bare end of a NATS request, in a process of its own as a handler is.
import { connectNats } from '@oo/event-sourcing';

const nats = await connectNats(process.env.OO_NATS_URL ?? '', 'bench-echo');
nats.subscribe('bench.echo', {
  callback: (_error, message) => {
    message.respond(message.data);
  },
});
await nats.flush();
process.stdout.write('ready\n');
