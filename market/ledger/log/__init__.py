"""A signed, append-only log: bytes, hashes and signatures; it knows no market."""
