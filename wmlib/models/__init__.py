"""What learns the world."""
