"""SciPy's names over traced arrays, beside those of special: stats, linalg, signal."""
