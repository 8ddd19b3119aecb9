"""The runner: claims jobs and executes each in a process of its own."""
