"""A process beside ours in which files of strangers are opened, and the pool of such processes. [core]"""
