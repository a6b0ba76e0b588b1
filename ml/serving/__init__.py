"""The recommender as a process: events in, proposals out, and decisions over HTTP and NATS."""
