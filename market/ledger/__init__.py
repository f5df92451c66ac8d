"""A ledger that anyone can check: entries in a signed, append-only log, and books replayed from them.

``writer.Ledger`` writes, ``verify.verify`` checks, ``log.proofs`` shows one entry or the growth of the log without the
file, ``log.jsonl`` and ``tables`` hand it on; ``books.entries`` says what may stand in it and ``books.replay`` what it
does. It knows no simulation.
"""
