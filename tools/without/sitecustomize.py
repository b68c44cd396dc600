"""Python runs this first in every process of the tests: it looks for garbage less often, and not at the end.

Importing torch makes a million objects that stay. Searching them again and again while more of them
come, and once more when the process ends, is a third of what a process that imports torch computes."""
import atexit
import gc

gc.set_threshold(7_000)
atexit.register(gc.freeze)
