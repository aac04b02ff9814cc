"""The Python interface, behind `import denoisebench`: each function calls what the commands call,
in the caller's process, and prints nothing."""
