"""Policies learned by gradient through the model: what they see, their network, how they act; trains nothing."""
