"""What goes wrong, when and at whom: one seeded schedule over many providers, played on any clock."""
