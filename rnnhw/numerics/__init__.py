"""What one number is: formats, casts, intervals, lookup tables."""
