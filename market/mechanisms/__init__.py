"""Mechanisms: one file and one function each, found by listing this folder."""
