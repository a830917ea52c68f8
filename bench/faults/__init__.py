"""The fault rig of SECURITY-REQUIREMENTS, section J: real processes, and everything that can fail.

    python -m bench.faults                     the short set: `make faults`
    python -m bench.faults --long              the nightly set: `make faults-long`
    python -m bench.faults --only disk_full --seed 17

docs/faults.md says what is tried and how to read the table.
"""
