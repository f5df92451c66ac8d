"""What a reset makes: the world once, then what each episode draws."""
