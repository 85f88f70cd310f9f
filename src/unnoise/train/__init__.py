"""Training: objectives, the visible loop, and what surrounds it."""
