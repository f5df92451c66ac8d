"""What the wires carry, and what is curtailed where they cannot: every row solved or flagged; knows no price."""
