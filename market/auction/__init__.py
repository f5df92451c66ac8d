"""What rules are built of: the book, where its sides meet, price rules and rationing; knows no rule by name."""
