"""Runs in virtual time: a scenario's load and faults, the clock, the network in memory, the campaign over them."""
