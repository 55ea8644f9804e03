"""The suite: one file for each area of requirements, one function for each check."""
