"""Questions of speed, one file each, against the peers: `python -m bench`."""
