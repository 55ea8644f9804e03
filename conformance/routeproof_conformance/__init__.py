"""Judge any gateway by both of its sides: target, recording client, judge, suite, report."""
