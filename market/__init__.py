"""What may be traded, at what price, over which wires. It knows no agent and no episode."""
