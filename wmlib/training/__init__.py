"""Training: schedules, readers of long sequences, trainers, and long jobs that can be stopped and resumed."""
