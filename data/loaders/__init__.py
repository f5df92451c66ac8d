"""Readers of what people bring, one format a file: loads, prices, sessions and feeders. They know no scenario.

A layout of meters or prices has ``recognises(rows)`` and ``read(rows, options)``, and is named in ``files.LAYOUTS``.
"""
