"""What finite words do to a network over time: ranges, attractors, memory."""
