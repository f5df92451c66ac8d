"""A ledger that anyone can check: entries in a signed, append-only log, and books replayed from them.

``log.Ledger`` writes, ``verify.verify`` checks, ``proofs`` shows one entry or the growth of the log without the file,
``jsonl`` and ``tables`` hand it on; ``entries`` says what may stand in it and ``books`` what that does.
"""
