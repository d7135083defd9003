#!/usr/bin/env python3
"""Runs a test program and ends it at the first failed test: the runner that verification/mutants/run.py gives to cargo.

    first_failure.py PROGRAM [ARGUMENT ...]

A mutant is caught by one failed test. The other tests may take long, or for ever: many go on until an account is locked.
One that gathers without end is ended by a limit on memory.
"""

import resource
import subprocess
import sys

# The tests need a small part of it.
MEMORY = 4 << 30


def bounded():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


with subprocess.Popen(
    sys.argv[1:], stdout=subprocess.PIPE, text=True, errors="replace", preexec_fn=bounded
) as program:
    for line in program.stdout:
        sys.stdout.write(line)
        if line.startswith("test ") and line.rstrip().endswith("... FAILED"):
            program.kill()
            print("ended at the first failure")
            sys.exit(101)
# A program that was killed by a signal has not passed either.
sys.exit(program.returncode if program.returncode >= 0 else 101)
