"""What was asked, who answered, and what it cost: written down before the client sees the end of an answer."""
