"""python timed.py REPORT COMMAND…: runs a command and writes its CPU seconds and peak memory as JSON."""

import json
import resource
import subprocess
import sys

code = subprocess.run(sys.argv[2:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as report:
    json.dump({"cpu": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss // 1024}, report)
sys.exit(code)
