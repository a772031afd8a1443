"""Opening files of strangers: a process beside ours, the pool of such processes, and what is in a JPEG. [core]"""
