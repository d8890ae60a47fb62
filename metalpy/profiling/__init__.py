"""What `metalpy.mps.profiler` is made of: profiles and their statistics, the Chrome trace, the environment's log."""
