"""What the checks of several areas share: tables of cases, and readings of an answer."""
