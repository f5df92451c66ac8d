"""Kinds of agents: one file each, found by listing this folder."""
