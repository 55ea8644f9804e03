"""The judge: pure functions from what both sides recorded to what it amounts to."""
