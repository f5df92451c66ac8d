"""Writes episodes to a ledger, their integers unchanged; decides nothing that happens in them."""
