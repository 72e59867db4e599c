"""What things are: pure values and decisions, no input or output."""
