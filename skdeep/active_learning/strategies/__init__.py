"""What to ask for: pure functions of arrays, a module with the maths for each idea."""
