"""The sandbox of a trial: what it covers, and what it does not.

Covered, by tier: files, processes, network, users, system calls, CPU time, memory, disk, and the death of all of it
with its trial or with the lab. Each trial's record says which of these held (`tiers.Isolation.controls`).
Not covered: holes in the kernel, side channels between neighbours on one processor, GPU drivers, and reading what every
user may (the processor's type, the kernel's version, the machine's load). A tier between user namespaces and nothing
(Landlock, T1) is not built yet.
"""
