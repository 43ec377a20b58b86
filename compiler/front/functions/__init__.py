"""What takes functions and gives functions: derivatives, matrices of them, vmap, custom rules,
checkpoints.
"""
