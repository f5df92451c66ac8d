"""Checkpoints anchored on an Ethereum chain, and a demonstration of settlement there; needs the extra ``evm``."""
