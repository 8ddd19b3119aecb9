"""Tests of the runner: real processes, small inputs."""
