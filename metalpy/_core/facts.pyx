"""How the extension modules were compiled."""

cdef extern from *:
    """
    #ifndef MPY_BUILD_FLAGS
    #define MPY_BUILD_FLAGS "unknown"
    #endif
    #if defined(__SANITIZE_ADDRESS__)
    #define MPY_SANITIZER "address"
    #elif defined(__SANITIZE_THREAD__)
    #define MPY_SANITIZER "thread"
    #else
    #define MPY_SANITIZER "none"
    #endif
    #ifdef __clang__
    #define MPY_COMPILER __VERSION__
    #else
    #define MPY_COMPILER "gcc " __VERSION__
    #endif
    #define MPY_CYTHON_VERSION CYTHON_HEX_VERSION
    """
    const char *MPY_BUILD_FLAGS
    const char *MPY_SANITIZER
    const char *MPY_COMPILER
    const unsigned int MPY_CYTHON_VERSION


def compile_facts():
    """Compiler, flags, sanitizer and Cython, as text."""
    return {
        "compiler": MPY_COMPILER.decode(),
        "flags": MPY_BUILD_FLAGS.decode(),
        "sanitizer": MPY_SANITIZER.decode(),
        "Cython": ".".join([str(MPY_CYTHON_VERSION >> shift & 0xFF) for shift in (24, 16, 8)]),
    }
