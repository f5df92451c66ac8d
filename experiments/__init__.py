"""What we claim and how it is measured; no other layer imports it."""
