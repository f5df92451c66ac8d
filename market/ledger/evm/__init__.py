"""Checkpoints anchored on an Ethereum chain, and a settlement there (extra ``evm``); knows no entry's meaning."""
