"""Foreign NumPy code as it is: the NumPy that its modules see while it is traced, and its objects.

Begin with port.py, the function that users call. draft.py has arrays that are numbers until a
traced value is written to them; doors.py what stands for NumPy, picked.py x[mask]; copies.py makes
the copy of an object that is traced in its place.
"""
