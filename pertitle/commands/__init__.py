"""The command line: a file a command, its options beside its run."""
