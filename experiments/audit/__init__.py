"""An episode written to a ledger."""
