"""The same kernels in Metal here and in OpenCL C on other runtimes for the CPU, timed in turns."""
