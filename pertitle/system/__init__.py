"""The machine: child processes, programs found, untrusted files opened and decoded."""
