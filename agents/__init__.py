"""Who wants what: storage, kinds of agents, bids and policies."""
