// The servers are the kit's, whose own tests need them too.
export * from '@oo/event-sourcing/testing';
