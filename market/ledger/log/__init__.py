"""A signed, append-only log that nobody can change unseen: bytes, hashes and signatures; knows no market."""
