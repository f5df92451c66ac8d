"""What rules are built of: the book, where its sides meet, price rules and rationing."""
