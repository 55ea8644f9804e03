"""What an operator needs beside the answers: logs, metrics, traces, probes, a change of configuration, a quiet end."""
