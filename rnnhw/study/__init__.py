"""Many designs side by side."""
