"""What may be traded, at what price, over which wires."""
